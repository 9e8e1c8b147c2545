//go:build unix

package redistest

import (
	"bytes"
	"sync"
)

// Log collects what a program says, and can be read while it is written.
type Log struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	stalled chan struct{} // closed by Resume; nil: it takes what comes
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	for l.stalled != nil {
		stalled := l.stalled
		l.mu.Unlock()
		<-stalled
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is the log up to now.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Stall takes nothing from the program until Resume, so that the pipes to it are full soon.
func (l *Log) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled == nil {
		l.stalled = make(chan struct{})
	}
}

// Resume ends Stall.
func (l *Log) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}
