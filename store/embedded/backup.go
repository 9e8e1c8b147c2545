package embedded

import (
	"errors"
	"os"
	"path/filepath"

	"rest-sessions/store/embedded/disk"
)

// BackUp writes a copy of the file as it is at this moment, with all that was
// acknowledged by then, and returns its path: the file's with ".backup" behind it.
// One that is there is replaced once the new one is on disk. Writes go on, but where
// the file must grow they wait. A file that is in use cannot be copied from outside:
// its pages change meanwhile.
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
