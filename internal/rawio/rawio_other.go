//go:build !linux

package rawio

const supported = false

// MayTakeLong does nothing here: the scheduler knows.
func MayTakeLong() {}

func (t *transfer) readSome(uintptr) bool { return true }
func (t *transfer) writeAll(uintptr) bool { return true }
func (t *transfer) readOne(uintptr) bool  { return true }
