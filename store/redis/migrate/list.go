package migrate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// list is the file of sessions that cannot be kept in the target: a line each, with
// app, token and id, the latter as a JSON string. Tokens are secrets, so nobody but its owner may
// read it.
type list struct {
	file *os.File
	w    *bufio.Writer
}

// openList makes the file, or none if path is "".
func openList(path string) (*list, error) {
	if path == "" {
		return &list{}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = file.Chmod(0o600) // it may have been there
	}
	if err != nil {
		return nil, fmt.Errorf("--list: %w", err)
	}
	return &list{file, bufio.NewWriter(file)}, nil
}

func (l *list) add(app, token, id string) error {
	if l.w == nil {
		return nil
	}
	_, err := fmt.Fprintln(l.w, app, token, marshal(id))
	return err
}

// close writes what is left. It may be called again.
func (l *list) close() error {
	if l.file == nil {
		return nil
	}
	err := l.w.Flush()
	if other := l.file.Close(); err == nil {
		err = other
	}
	l.file, l.w = nil, nil
	if err != nil {
		return fmt.Errorf("--list: %w", err)
	}
	return nil
}

// marshal spells an id so that it is one word.
func marshal(id string) string {
	text, _ := json.Marshal(id)
	return string(text)
}
