package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rest-sessions/store"
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
		s.journal.logf("warning: %s is open to others (%v); it should be its owner's alone (0700)", o.Dir, info.Mode().Perm())
	}
	return s, nil
}

// openOn loads the sessions in file and starts the journal, which commits by commit.
func openOn(file *disk.File, commit func(*disk.Batch) error, o Options) (*Store, error) {
	s := New(o)
	j := newJournal(s, commit, o)
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

// load brings the file's sessions to memory. It is for one goroutine, before
// anything else uses the Store.
func (s *Store) load(file *disk.File, log *touchLog) (err error) {
	touches := map[uint64]touch{}
	var aliases []stored
	var rec stored
	last := file.Last()
	err = file.Load(func(number uint64, entry []byte) error {
		if log.oldest == 0 {
			log.oldest = number
		}
		err := parseTouches(entry, func(t touch) {
			log.touches++
			if t.r > touches[t.serial].r {
				touches[t.serial] = t
			}
		})
		if err != nil {
			return fmt.Errorf("log entry %d: %w", number, err)
		}
		return nil
	}, func(number uint64, content []byte) error {
		if err := rec.parse(content); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
		last = max(last, number)
		rec.serial = number
		if rec.aliasOf != 0 {
			aliases = append(aliases, rec)
			return nil
		}
		if t, ok := touches[number]; ok {
			t.apply(&rec.session)
		}
		s.restore(&rec)
		return nil
	})
	if err != nil {
		return err
	}
	s.restoreAliases(aliases)
	s.serial.Store(last)
	if log.next, err = file.NextLog(); log.oldest == 0 {
		log.oldest = log.next
	}
	return err
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
	return path, os.Rename(temp.Name(), path)
}

// restore adds a session with its serial. They come by rising serial, so a user's
// are in the order of their creation again.
func (s *Store) restore(rec *stored) {
	token := rec.token.String()
	k, userKey := s.key(rec.app, token), s.key(rec.app, rec.id())
	sh := s.shard(store.TokenBucket(token))
	active := max(rec.lastActivity, rec.userActivity)
	if _, owner := sh.user(userKey, rec.app, rec.id()); owner != nil {
		active = max(active, owner.lastActivity)
	}
	sh.insert(active, k, userKey, rec.app, rec.session)
}

// restoreAliases adds aliases, oldest first, to the sessions that are there, and
// queues the others to be removed from disk.
func (s *Store) restoreAliases(aliases []stored) {
	slots := map[*shard]map[uint64]uint32{}
	for _, a := range aliases {
		token := a.token.String()
		sh := s.shard(store.TokenBucket(token))
		if slots[sh] == nil {
			slots[sh] = sh.slots()
		}
		slot := slots[sh][a.aliasOf]
		if slot == 0 {
			sh.places = append(sh.places, place{sh, 0, true, a.serial})
			continue
		}
		rec := sh.sessions.at(slot)
		k := s.key(sh.apps.at(sh.users.at(rec.user).app).name, token)
		sh.addAlias(k.hash, alias{token: a.token, until: a.until, number: a.serial, slot: slot, serial: uint32(rec.serial)})
	}
}

// slots returns the slots of all sessions by serial.
func (sh *shard) slots() map[uint64]uint32 {
	slots := map[uint64]uint32{}
	for i := range sh.sessions.heads.n {
		for slot := *sh.sessions.heads.at(i); slot != 0; slot = sh.sessions.link(slot).next {
			slots[sh.sessions.at(slot).serial] = slot
		}
	}
	return slots
}
