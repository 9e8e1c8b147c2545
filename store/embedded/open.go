package embedded

import (
	"context"
	"fmt"
	"os"
	"time"

	"rest-sessions/store/embedded/disk"
)

// Open returns a Store that keeps its sessions in o.Dir, with those that are there.
// Close writes what reads have changed and lets go of the directory.
//
// What disk.Open refuses is refused: files of others, damaged ones, and a directory
// that another process uses.
func Open(o Options) (*Store, error) {
	file, err := disk.Open(o.Dir, disk.Options{NoSync: o.NoSync})
	if err != nil {
		return nil, err
	}
	s, err := openOn(file, file.Commit, o)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s cannot be used: %w", file.Path(), err)
	}
	if info, err := os.Stat(o.Dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		s.journal.logf("warning: %s can be read by other users (%v); only its owner should have access (0700)", o.Dir, info.Mode().Perm())
	}
	return s, nil
}

// openOn loads the sessions in file and starts the journal, which commits by commit.
func openOn(file *disk.File, commit func(*disk.Batch) error, o Options) (*Store, error) {
	s := New(o)
	j := newJournal(s, observed(commit, o.Observer), o)
	if err := s.load(file, &j.log); err != nil {
		return nil, err
	}
	s.journal, s.file = j, file
	for i := range s.shards {
		sh := &s.shards[i]
		sh.journal = j
		sh.makeRoomForTouches()
	}
	go j.run()
	// Those that ended while nobody looked: here, so that their memory is free
	// before the first request, not at the first wipe.
	if _, err := s.Wipe(context.Background()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// observed tells the observer, if there is one, of each commit.
func observed(commit func(*disk.Batch) error, o Observer) func(*disk.Batch) error {
	if o == nil {
		return commit
	}
	return func(b *disk.Batch) error {
		began := time.Now()
		err := commit(b)
		o.Commit(time.Since(began), err)
		return err
	}
}

// FileSize returns how many bytes the file has that sessions are kept in, 0 without one.
func (s *Store) FileSize() int64 {
	if s.file == nil {
		return 0
	}
	info, err := os.Stat(s.file.Path())
	if err != nil {
		return 0
	}
	return info.Size()
}
