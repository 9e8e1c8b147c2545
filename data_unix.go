//go:build unix

package main

import (
	"os"
	"syscall"
)

// backupSignal asks for a backup; nil where the system has no such signal.
var backupSignal os.Signal = syscall.SIGUSR1
