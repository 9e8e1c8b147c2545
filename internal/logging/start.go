package logging

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Start sends what log and slog write to standard error. A server's lines go
// through a Writer, so that it neither waits for who reads them nor ends with him; end
// that with close. Other commands write themselves, and lines is nil.
func Start(server, json bool) (lines *Writer, close func()) {
	out, close := io.Writer(os.Stderr), func() {}
	if server {
		// Else the first line after the reader has gone would end the process.
		signal.Ignore(syscall.SIGPIPE)
		lines = NewWriter(os.Stderr, Note(json))
		out, close = lines, lines.Close
	}
	slog.SetDefault(slog.New(NewHandler(out, json)))
	return lines, close
}

// IsTerminal reports whether out is one, or at least no file or pipe.
func IsTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
