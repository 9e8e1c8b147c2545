// Package logging writes log lines without making anybody wait for their reader.
package logging

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxBuffer bounds the lines that wait for the output, in bytes.
	MaxBuffer = 1 << 20
	// interval is the pause after each write: under load it makes one write of
	// hundreds of lines.
	interval = 10 * time.Millisecond
	// flushTimeout bounds the wait for the output when a Writer is closed.
	flushTimeout = time.Second
)

// Writer hands lines to an output that may block or fail. Lines go through a buffer
// of MaxBuffer bytes that one goroutine drains; a line that finds no room, or that the
// output does not take, is dropped and counted. No method blocks on the output but
// Close, which waits a second at most.
type Writer struct {
	out  io.Writer
	note func(b []byte, dropped int) []byte

	mu      sync.Mutex
	lines   []byte // complete lines
	missing int    // dropped lines that no note tells of yet
	dropped atomic.Uint64
	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
}

// NewWriter starts a Writer; end it with Close. Once the output works again, note
// appends the line that says how many were dropped; it ends with a line feed.
func NewWriter(out io.Writer, note func(b []byte, dropped int) []byte) *Writer {
	w := &Writer{
		out:     out,
		note:    note,
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.drain()
	return w
}

// Append adds a line: the one that line appends to b, with its line feed. line is
// called under the Writer's lock, so it only formats.
func (w *Writer) Append(line func(b []byte) []byte) {
	w.mu.Lock()
	if len(w.lines) > MaxBuffer {
		w.missing++
		w.dropped.Add(1)
	} else {
		w.lines = line(w.lines)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Write implements io.Writer for whole lines. Its error is always nil.
func (w *Writer) Write(line []byte) (int, error) {
	w.Append(func(b []byte) []byte { return append(b, line...) })
	return len(line), nil
}

// Dropped is how many lines were dropped so far.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Close writes what is left, for a second at most, and ends the Writer. Lines that
// come later are kept from the output.
func (w *Writer) Close() {
	close(w.closing)
	select {
	case <-w.done:
	case <-time.After(flushTimeout):
	}
}

// drain hands lines to the output until Close.
func (w *Writer) drain() {
	defer close(w.done)
	var spare []byte
	broken := false // whether the output ends within a line
	for open := true; open; {
		select {
		case <-w.wake:
		case <-w.closing:
			open = false
		}
		w.mu.Lock()
		lines, missing := w.lines, w.missing
		w.lines, w.missing = spare[:0], 0
		w.mu.Unlock()
		noted := 0
		if missing > 0 {
			lines, noted = w.note(lines, missing), 1
		}
		if len(lines) > 0 {
			broken = w.write(lines, missing, noted, broken)
		}
		spare = lines
		if open {
			time.Sleep(interval)
		}
	}
}

// write writes lines; the last noted of them, 0 or 1, tells of missing ones. What the
// output does not take is dropped and counted. It reports whether the output now ends
// within a line.
func (w *Writer) write(lines []byte, missing, noted int, broken bool) bool {
	if broken {
		if _, err := w.out.Write([]byte{'\n'}); err == nil {
			broken = false
		}
	}
	n := 0
	if !broken {
		var err error
		if n, err = w.out.Write(lines); err == nil {
			return false
		}
		broken = n > 0 && lines[n-1] != '\n'
	}
	lost := bytes.Count(lines[n:], []byte{'\n'})
	if lost >= noted {
		lost -= noted
	} else {
		missing = 0
	}
	w.dropped.Add(uint64(lost))
	w.mu.Lock()
	w.missing += lost + missing
	w.mu.Unlock()
	return broken
}
