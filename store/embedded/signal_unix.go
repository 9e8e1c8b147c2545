//go:build unix

package embedded

import (
	"os"
	"syscall"
)

// BackupSignal asks a server for a backup.
var BackupSignal os.Signal = syscall.SIGUSR1
