//go:build !unix

package embedded

import "os"

// BackupSignal is nil: there is no signal for it.
var BackupSignal os.Signal
