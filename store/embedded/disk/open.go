package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Name is the name of the file in its directory.
const Name = "sessions.db"

// magic begins the format entry, and format, two bytes that follow it, is raised
// when something is added that an older version must not overlook.
const (
	magic  = "rest-sessions embedded "
	format = "01"
)

var (
	// ErrInUse means that another process has the file open.
	ErrInUse = errors.New("another process uses it")
	// ErrForeign means that the file is not from this package.
	ErrForeign = errors.New("it is not a file of this server; nothing in it was changed")
	// ErrNewer means that the file is from a later version.
	ErrNewer = errors.New("it is from a newer version of this server; nothing in it was changed")
	// ErrDamaged means that the file's content is not what was written.
	ErrDamaged = errors.New("it is damaged; nothing in it was changed. Restore a backup, or move it away to start without sessions")
)

// The buckets of the database and what is in them.
var (
	// aboutBucket has formatKey and stateKey.
	aboutBucket = []byte("about")
	formatKey   = []byte("format")
	stateKey    = []byte("state")
	// recordsBucket has the records by number, logBucket the log's entries. Numbers
	// are 8 bytes, big-endian, so that they sort.
	recordsBucket = []byte("records")
	logBucket     = []byte("log")
)

// lockWait is how long to wait for another process' lock: the least that bbolt
// knows, one look.
const lockWait = time.Nanosecond

// File is an open file. Its methods are for one goroutine at a time, but for
// WriteTo.
type File struct {
	db     *bbolt.DB
	path   string
	state  state
	broken error
	sealed []byte // room for the values of a Commit
	// write is db.Update unless a test sets it.
	write func(func(*bbolt.Tx) error) error
}

// Options are what Open can be told. The zero value is for production.
type Options struct {
	// NoSync leaves out fsync, for tests.
	NoSync bool
}

// Open opens the file in dir, which it makes, with the file, if there is none. It
// refuses a file in use (ErrInUse), of another program or another version
// (ErrForeign, ErrNewer), or damaged (ErrDamaged), and writes nothing then. It reads
// the whole file, but for what Load checks.
func Open(dir string, o Options) (*File, error) {
	path := filepath.Join(dir, Name)
	f, err := open(dir, path, o)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", path, err)
	}
	return f, nil
}

func open(dir, path string, o Options) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, ErrForeign
	case info.Size() == 0: // bbolt would take it for a new one
		return nil, damaged("it is empty")
	}
	if err := inspect(path); err != nil {
		return nil, err
	}
	// Tokens are in it, so it is for its owner alone, also if a copy was put there.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	db, err := openDB(path, false)
	if err != nil {
		return nil, err
	}
	db.NoSync = o.NoSync
	f := &File{db: db, path: path, write: db.Update}
	if err := guard(func() error { return db.View(f.readState) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// openDB opens the database, which must be sound but for what inspect finds.
func openDB(path string, readOnly bool) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly: readOnly,
		Timeout:  lockWait,
		// The list of free pages would be written whole in each commit, and it is
		// long after many sessions have ended. Without it, opening reads the tree.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w (%w)", ErrForeign, err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum),
		err != nil && strings.Contains(err.Error(), "file size too small"):
		return nil, fmt.Errorf("%w (%w)", ErrForeign, err)
	}
	return db, err
}

// inspect opens the file for reading only and goes through its pages, so that
// nothing in it can bring bbolt to panic.
func inspect(path string) error {
	db, err := openDB(path, true)
	if err != nil {
		return err
	}
	defer db.Close()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := verify(file); err != nil {
		return err
	}
	return guard(func() error { return db.View(new(File).readState) })
}

// readState reads the about bucket and checks that the other buckets are there.
func (f *File) readState(tx *bbolt.Tx) error {
	about := tx.Bucket(aboutBucket)
	if about == nil {
		return ErrForeign
	}
	text := string(about.Get(formatKey))
	number, ours := strings.CutPrefix(text, magic)
	switch {
	case !ours:
		return ErrForeign
	case number > format:
		return ErrNewer
	case number != format:
		return damaged("format %q", number)
	case tx.Bucket(recordsBucket) == nil || tx.Bucket(logBucket) == nil:
		return damaged("a bucket is missing")
	}
	if !f.state.decode(about.Get(stateKey)) {
		return damaged("the state is not readable")
	}
	return nil
}

// create makes an empty file. Under its own name it appears whole or not at all,
// and never in place of one that another process made meanwhile.
func create(dir, path string) error {
	temp, err := os.CreateTemp(dir, Name+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	db, err := openDB(temp.Name(), false)
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(fill), db.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without hard links.
		if _, statErr := os.Stat(path); !errors.Is(statErr, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(temp.Name(), path); err != nil {
			return err
		}
	}
	// The directory may be new too.
	return errors.Join(SyncDir(dir), SyncDir(filepath.Dir(dir)))
}

func fill(tx *bbolt.Tx) error {
	for _, name := range [][]byte{recordsBucket, logBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	about, err := tx.CreateBucket(aboutBucket)
	if err != nil {
		return err
	}
	if err := about.Put(formatKey, []byte(magic+format)); err != nil {
		return err
	}
	return about.Put(stateKey, new(state).encode())
}

// SyncDir makes the names in a directory durable, where the system can: it is for
// whoever made or renamed a file there.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// state is what the file says of itself.
type state struct {
	records uint64 // how many there are
	// sum adds up the checksums of all records and log entries, modulo 2^64.
	sum uint64
	// last is the number of the last record of all that were ever made.
	last uint64
}

func (s *state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.records)
	b = binary.BigEndian.AppendUint64(b, s.sum)
	return binary.BigEndian.AppendUint64(b, s.last)
}

func (s *state) decode(b []byte) bool {
	if len(b) != 24 {
		return false
	}
	*s = state{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
	return true
}

// damaged returns an ErrDamaged that says where.
func damaged(where string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrDamaged, fmt.Sprintf(where, args...))
}
