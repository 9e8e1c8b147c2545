package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFileTooLarge lets the file grow no more by a limit on the process, which
// needs no rights, and lifts it.
func TestFileTooLarge(t *testing.T) {
	dir := newDir(t)
	p := start(t, "RS_DATA="+dir)
	info, err := os.Stat(filepath.Join(dir, "sessions.db"))
	if err != nil {
		t.Fatal(err)
	}
	limit := func(bytes uint64) {
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	limit(uint64(info.Size()) + 1<<20)
	fillDisk(t, p, "file too large", func() { limit(unix.RLIM_INFINITY) })
	again := start(t, "RS_DATA="+dir)
	again.expect("GET", "/shop/soid/kept", 200, "")
}

// TestDiskFull fills a file system of its own, where there is the right to mount
// one; TestFileTooLarge does much the same where there is not.
func TestDiskFull(t *testing.T) {
	mounted := t.TempDir()
	if err := unix.Mount("tmpfs", mounted, "tmpfs", 0, "size=4m"); err != nil {
		t.Logf("no right to mount a file system (%v): only TestFileTooLarge stands", err)
		return
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(mounted, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(mounted, "data")
	p := start(t, "RS_DATA="+dir)
	fillDisk(t, p, "no space left on device", func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	again := start(t, "RS_DATA="+dir)
	again.expect("GET", "/shop/soid/kept", 200, "")
	again.cmd.Process.Kill()
	again.wait()
}
