//go:build !unix

package main

import "os"

var backupSignal os.Signal
