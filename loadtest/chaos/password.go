//go:build linux

package main

import (
	"os"
	"path/filepath"
	"time"
)

// passwordFile is the file from which the server reads Redis' password.
type passwordFile string

func newPasswordFile(password string) (passwordFile, error) {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return "", err
	}
	f := passwordFile(filepath.Join(dir, "password"))
	return f, f.replace(password)
}

// replace puts another file in its place, as those who manage secrets do.
func (f passwordFile) replace(password string) error {
	next := string(f) + ".next"
	if err := os.WriteFile(next, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}

func (f passwordFile) remove() { os.RemoveAll(filepath.Dir(string(f))) }

// rotatePassword gives Redis another password, and the server only after a while.
func rotatePassword(t *trial, f *form) error {
	const next = "another"
	for _, command := range [][]string{
		{"CONFIG", "SET", "requirepass", next},
		{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"},
	} {
		if err := t.site.Command(command...); err != nil {
			return err
		}
	}
	time.Sleep(f.hold)
	return t.password.replace(next)
}
