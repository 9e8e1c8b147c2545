package embedded

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"rest-sessions/store/embedded/disk"
)

// BackUpOnSignal writes a copy of the file beside it on each BackupSignal, until ctx
// ends; the log hears how that went. A file that is in use cannot be copied from
// outside: its pages change meanwhile.
func (s *Store) BackUpOnSignal(ctx context.Context) {
	if BackupSignal == nil {
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, BackupSignal)
	defer signal.Stop(asked)
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		began := time.Now()
		path, err := s.BackUp()
		if err != nil {
			s.journal.logf("error: backup failed: %v", err)
			continue
		}
		s.journal.logf("backup: %s, in %v", path, time.Since(began).Round(time.Millisecond))
	}
}

// BackUp writes a copy of the file as it is at this moment, with all that was
// acknowledged by then, and returns its path: the file's with ".backup" behind it.
// One that is there is replaced once the new one is on disk. Writes go on, but where
// the file must grow they wait.
func (s *Store) BackUp() (path string, err error) {
	path = s.file.Path() + ".backup"
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-") // with 0600
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name())
	if _, err = s.file.WriteTo(temp); err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return "", err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return "", err
	}
	return path, disk.SyncDir(filepath.Dir(path)) // else a power failure may undo the renaming
}
