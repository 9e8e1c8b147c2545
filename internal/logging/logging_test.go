package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// odd are characters that end a line somewhere, steer a terminal, or turn text around.
const odd = "a\u0085b\u009bc\u2028d\u2029e\u202ef\ufeffg\U000e0001h\x7f\x1b\n\u00e9\u65e5"

func TestEscapes(t *testing.T) {
	if got, want := string(AppendText(nil, []byte(odd+"\x9b\"\\"))), `a\xc2\x85b\xc2\x9bc\xe2\x80\xa8d\xe2\x80\xa9e\xe2\x80\xaef\xef\xbb\xbfg\xf3\xa0\x80\x81h\x7f\x1b\x0a`+"é日"+`\x9b\x22\x5c`; got != want {
		t.Errorf("text:\n got %s\nwant %s", got, want)
	}
	quoted, _ := json.Marshal(odd)
	got := string(AppendJSON(nil, quoted))
	if want := `"a\u0085b\u009bc\u2028d\u2029e\u202ef\ufeffg\udb40\udc01h\u007f\u001b\n` + "é日" + `"`; got != want {
		t.Errorf("JSON:\n got %s\nwant %s", got, want)
	}
	var back string
	if err := json.Unmarshal([]byte(got), &back); err != nil || back != odd {
		t.Errorf("%v: reads back as %q", err, back)
	}
}

// TestHandler wants one line of plain text or JSON a message, whatever is in it.
func TestHandler(t *testing.T) {
	for _, c := range []struct {
		message string
		text    string // behind the time
		level   string
	}{
		{`RS_PORT is "x"`, `INFO RS_PORT is "x" id=7 g.why="two words"`, "INFO"},
		{"warning: a\u2028b\x1b[31m", `WARN a\u2028b\x1b[31m id=7 g.why="two words"`, "WARN"},
		{"error: panic\n\tat\u009b", `ERROR panic\n\tat\u009b id=7 g.why="two words"`, "ERROR"},
	} {
		for _, asJSON := range []bool{false, true} {
			var out bytes.Buffer
			slog.New(NewHandler(&out, asJSON)).With("id", 7).WithGroup("g").Info(c.message, "why", "two words")
			line, ended := strings.CutSuffix(out.String(), "\n")
			if !ended || strings.ContainsAny(line, "\n\x1b\u2028\u009b") {
				t.Errorf("%q", out.String())
			}
			if !asJSON {
				if _, rest, _ := strings.Cut(line, " "); rest != c.text {
					t.Errorf("got %q\nwant %q", rest, c.text)
				}
				continue
			}
			var fields struct {
				Time  time.Time
				Level string
				G     struct{ Why string }
			}
			if err := json.Unmarshal([]byte(line), &fields); err != nil || fields.Level != c.level || fields.G.Why != "two words" || fields.Time.IsZero() {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}

// TestNote: that lines were dropped is said in the form of the others.
func TestNote(t *testing.T) {
	if line := string(Note(false)(nil, 5)); !strings.HasSuffix(line, " WARN log lines dropped, because nobody read them dropped=5\n") {
		t.Errorf("%q", line)
	}
	if line := Note(true)(nil, 5); !json.Valid(line) || !bytes.Contains(line, []byte(`"dropped":5}`)) {
		t.Errorf("%q", line)
	}
}

// flaky takes at most 5 bytes a write and then fails, until it is mended.
type flaky struct {
	mended chan struct{}
	got    bytes.Buffer
}

func (f *flaky) Write(p []byte) (int, error) {
	select {
	case <-f.mended:
		return f.got.Write(p)
	default:
		n, _ := f.got.Write(p[:min(5, len(p))])
		return n, errors.New("full")
	}
}

// TestWriterOfFailingOutput counts what the output does not take, and begins a line
// afresh where one broke off.
func TestWriterOfFailingOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &flaky{mended: make(chan struct{})}
		w := NewWriter(out, Note(false))
		w.Write([]byte("abc\ndef\n"))
		synctest.Wait()
		close(out.mended)
		w.Write([]byte("ghi\n"))
		w.Close()
		lines := strings.Split(out.got.String(), "\n")
		if len(lines) != 5 || lines[0] != "abc" || lines[1] != "d" || lines[2] != "ghi" || !strings.HasSuffix(lines[3], "dropped=1") || w.Dropped() != 1 {
			t.Errorf("%d dropped: %q", w.Dropped(), lines)
		}
	})
}

// stuck takes nothing until it is closed.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) { <-s; return len(p), nil }

// TestCloseIsBounded: an output that hangs holds up neither lines nor the end.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(stuck)
		w := NewWriter(out, Note(false))
		line := []byte(strings.Repeat("x", 1023) + "\n")
		begun := time.Now()
		for range 4096 { // 4 MiB, where 1 MiB waits and 1 MiB is being written
			w.Write(line)
		}
		if w.Dropped() < 1000 {
			t.Errorf("%d dropped", w.Dropped())
		}
		w.Close()
		if took := time.Since(begun); took != flushTimeout {
			t.Errorf("the end took %v", took)
		}
		close(out)
		<-w.done
	})
}
