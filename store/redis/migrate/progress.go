package migrate

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far a step is. It is for one goroutine.
type Progress interface {
	// Begin begins a step of so many sessions, -1 if nobody knows.
	Begin(title string, total int64)
	Add(n int64)
	End()
}

// NewProgress makes a bar if w is a terminal, else a line now and then.
func NewProgress(w *os.File) Progress {
	if term.IsTerminal(int(w.Fd())) {
		return &bar{w: w}
	}
	return &lines{w: w}
}

// bar is a Progress on a terminal.
type bar struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func (b *bar) Begin(title string, total int64) {
	b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(title),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("sessions"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
}
func (b *bar) Add(n int64) { b.bar.Add64(n) }
func (b *bar) End()        { b.bar.Finish() }

// linesEvery is how often a log gets a line.
const linesEvery = 5 * time.Second

// lines is a Progress in a log.
type lines struct {
	w           io.Writer
	title       string
	n, total    int64
	began, told time.Time
}

func (l *lines) Begin(title string, total int64) {
	*l = lines{w: l.w, title: title, total: total, began: time.Now(), told: time.Now()}
}

func (l *lines) Add(n int64) {
	l.n += n
	if time.Since(l.told) < linesEvery {
		return
	}
	l.told = time.Now()
	of := ""
	if l.total >= 0 {
		of = fmt.Sprintf(" of %d", l.total)
	}
	fmt.Fprintf(l.w, "%s: %d%s, %.0f sessions/s\n", l.title, l.n, of, float64(l.n)/time.Since(l.began).Seconds())
}

func (l *lines) End() {}
