package listener

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// socketMode lets the owner and the group connect: on a socket's file that is
	// the right to write.
	socketMode = 0o660
	// probeTimeout bounds asking whether a server listens on a socket. Only one
	// whose queue is full does not take the connection at once.
	probeTimeout = time.Second
)

// openSocket listens on a Unix socket. A file left by a server that is gone is
// replaced; one that belongs to a live server, or is no socket, is not touched.
func openSocket(path string) (net.Listener, error) {
	// Else two servers that start at once could both find a dead socket, and the
	// second would remove the living one of the first.
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("%w (the path of a socket may have some 100 bytes, depending on the system; this has %d)", err, len(path))
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// clearSocket removes what a server that is gone left at path.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another server already listens on %s", path)
	}
	// Only this says that nobody listens; what else may be wrong says nothing.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s may belong to a server: %w", path, err)
	}
	return os.Remove(path)
}

// removeSocket removes the file of a socket that is about to be closed. Close does not
// remove it again, since by then it may be another server's.
func removeSocket(l *net.UnixListener) {
	l.SetUnlinkOnClose(false)
	os.Remove(l.Addr().String())
}
