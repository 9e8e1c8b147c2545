package main

import (
	"context"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"rest-sessions/internal/logging"
)

// startLog sends what log and slog write to standard error. A server's lines go
// through a Writer, so that it neither waits for who reads them nor ends with him; end
// that with close. Other commands write themselves, and lines is nil.
func startLog(server, json bool) (lines *logging.Writer, close func()) {
	out, close := io.Writer(os.Stderr), func() {}
	if server {
		// Else the first line after the reader has gone would end the process.
		signal.Ignore(syscall.SIGPIPE)
		lines = logging.NewWriter(os.Stderr, logging.Note(json))
		out, close = lines, lines.Close
	}
	slog.SetDefault(slog.New(logging.NewHandler(out, json)))
	return lines, close
}

// isTerminal reports whether out is one, or at least no file or pipe.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// refuseBackups says in the log that a signal asks for a backup of what is in no file.
func refuseBackups(ctx context.Context, asked <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-asked:
			log.Printf("warning: %v: no backup is made, since RS_DATA is not set: this server has no file of sessions", s)
		}
	}
}
