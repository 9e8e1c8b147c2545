package rawio

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// counted counts the deadlines that a connection gets for reading.
type counted struct {
	*net.TCPConn
	set int
}

func (c *counted) SetReadDeadline(at time.Time) error {
	c.set++
	return c.TCPConn.SetReadDeadline(at)
}

// TestDeadlines sets deadlines as a server does: before it waits for a request, and for the
// rest of it.
func TestDeadlines(t *testing.T) {
	if !supported {
		t.Skip("deadlines are the connection's own")
	}
	a, b := pair(t, "tcp", "127.0.0.1:0")
	conn := &counted{TCPConn: a.(*net.TCPConn)}
	raw := New(conn)
	p := make([]byte, 1)
	read := func() error {
		t.Helper()
		_, err := raw.Read(p)
		return err
	}
	send := func(after time.Duration) { time.AfterFunc(after, func() { b.Write([]byte("a")) }) }
	for range 10 {
		raw.SetReadDeadline(time.Now().Add(time.Hour))
		send(time.Millisecond)
		if err := read(); err != nil {
			t.Fatal(err)
		}
		raw.SetReadDeadline(time.Now().Add(time.Minute))
		b.Write([]byte("a"))
		time.Sleep(time.Millisecond) // it has come
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	if conn.set > 2 { // an hour, and a minute where a read had to wait all the same
		t.Errorf("%d deadlines were set for 20 reads", conn.set)
	}

	// A later one than the connection has holds from when that has passed.
	raw.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	send(time.Millisecond)
	if err := read(); err != nil {
		t.Fatal(err)
	}
	conn.set = 0
	begin := time.Now()
	raw.SetReadDeadline(begin.Add(100 * time.Millisecond))
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) < 100*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	if conn.set != 1 {
		t.Errorf("%d deadlines were set", conn.set)
	}
	// There may be none at all.
	raw.SetReadDeadline(time.Time{})
	send(50 * time.Millisecond)
	if err := read(); err != nil {
		t.Error(err)
	}
	// An earlier one holds for who waits already, as do others for writing.
	time.AfterFunc(10*time.Millisecond, func() { raw.SetReadDeadline(time.Unix(1, 0)) })
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	raw.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	for err := error(nil); !errors.Is(err, os.ErrDeadlineExceeded); { // until nobody takes more
		if _, err = raw.Write(make([]byte, 1<<20)); err != nil && !isTimeout(err) {
			t.Fatal(err)
		}
	}
}
