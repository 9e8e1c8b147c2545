package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// handler writes the program's own lines: time, level, message and fields, as text or
// as one JSON object a line. A message that begins with "warning: " or "error: ", as
// those of a func(format, args...) do, has that level.
type handler struct {
	out  io.Writer
	json slog.Handler // nil for text
	text string       // the fields that With has added
	keys string       // the groups that WithGroup has opened, each with a dot
}

// NewHandler makes a handler that writes each line to out with one Write.
func NewHandler(out io.Writer, json bool) slog.Handler {
	h := &handler{out: out}
	if json {
		h.json = slog.NewJSONHandler(escaper{out}, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.String(a.Key, a.Value.Time().UTC().Format(timeFormat))
			}
			return a
		}})
	}
	return h
}

// timeFormat is that of access lines in JSON, too.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// Note makes the line of a Writer that says how many lines were dropped.
func Note(json bool) func(b []byte, dropped int) []byte {
	return func(b []byte, dropped int) []byte {
		var out bytes.Buffer
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines dropped, because nobody read them", 0)
		r.AddAttrs(slog.Int("dropped", dropped))
		NewHandler(&out, json).Handle(context.Background(), r) // a Buffer takes all
		return append(b, out.Bytes()...)
	}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if message, ok := strings.CutPrefix(r.Message, "warning: "); ok {
		r.Level, r.Message = max(r.Level, slog.LevelWarn), message
	} else if message, ok := strings.CutPrefix(r.Message, "error: "); ok {
		r.Level, r.Message = max(r.Level, slog.LevelError), message
	}
	if h.json != nil {
		return h.json.Handle(ctx, r)
	}
	b := r.Time.UTC().AppendFormat(nil, timeFormat)
	b = append(b, ' ')
	b = append(b, r.Level.String()...)
	b = append(b, ' ')
	b = appendMessage(b, r.Message)
	b = append(b, h.text...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendField(b, h.keys, a)
		return true
	})
	_, err := h.out.Write(append(b, '\n'))
	return err
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	if h.json != nil {
		with.json = h.json.WithAttrs(attrs)
		return &with
	}
	b := []byte(h.text)
	for _, a := range attrs {
		b = appendField(b, h.keys, a)
	}
	with.text = string(b)
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	if h.json != nil {
		with.json = h.json.WithGroup(name)
	}
	with.keys += name + "."
	return &with
}

// appendField appends a space and a field as key=value, a value with spaces in quotes.
func appendField(b []byte, keys string, a slog.Attr) []byte {
	b = append(b, ' ')
	b = appendMessage(b, keys+a.Key)
	b = append(b, '=')
	value := fmt.Sprint(a.Value.Resolve().Any())
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !strconv.IsPrint(r) }) {
		return strconv.AppendQuote(b, value)
	}
	return append(b, value...)
}
