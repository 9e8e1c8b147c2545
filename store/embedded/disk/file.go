package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime/debug"
	"strings"

	"go.etcd.io/bbolt"
)

// ErrBroken means that the disk lost something that it had taken, or that nobody
// knows. After it, each Commit fails until the file is opened anew.
//
// When an fsync fails, the system forgets what it could not write, and a second one
// succeeds without it. So the one thing not to do is to go on.
var ErrBroken = errors.New("the file cannot be written to until the server is restarted")

// pageFill is how full, of 1, pages are left that are split: records come in with
// rising numbers, so little is added to a page later.
const pageFill = 0.9

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumLen = 4

// Record is a record's number and content. Without content it is one to be removed.
type Record struct {
	Number  uint64
	Content []byte
}

// Batch is what a Commit does.
type Batch struct {
	// Records are written or removed. Those with rising numbers are quickest.
	Records []Record
	// Log is appended to the log as an entry if it is not empty.
	Log []byte
	// Forget drops the log's entries before this number.
	Forget uint64
	// Last is the highest number that a record was given, be it in the file or not.
	Last uint64
}

// Empty reports whether there is nothing to do.
func (b *Batch) Empty() bool { return len(b.Records) == 0 && len(b.Log) == 0 && b.Forget == 0 }

// Last returns the Batch.Last of the last Commit.
func (f *File) Last() uint64 { return f.state.last }

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Commit does all of b, or nothing of it: when it returns nil, b is on the disk.
// After an error it may have been done, and is to be sent again; the records then
// have their content of that time. A full disk is such an error; but see ErrBroken.
func (f *File) Commit(b *Batch) error {
	if f.broken != nil {
		return f.broken
	}
	after := f.state
	err := guard(func() error {
		return f.write(func(tx *bbolt.Tx) error {
			// What the file says, not what was last committed: a commit that failed
			// may be there.
			if !after.decode(tx.Bucket(aboutBucket).Get(stateKey)) {
				return ErrDamaged
			}
			return f.apply(tx, b, &after)
		})
	})
	if cap(f.sealed) > 4<<20 {
		f.sealed = nil
	}
	if err != nil {
		if !beforeSync(err) {
			f.broken = fmt.Errorf("%w: %w", ErrBroken, err)
			return f.broken
		}
		return err
	}
	f.state = after
	return nil
}

func (f *File) apply(tx *bbolt.Tx, b *Batch, s *state) error {
	f.sealed = f.sealed[:0]
	records, log := tx.Bucket(recordsBucket), tx.Bucket(logBucket)
	records.FillPercent, log.FillPercent = pageFill, pageFill
	keys := make([]byte, 0, 8*len(b.Records))
	for _, r := range b.Records {
		keys = binary.BigEndian.AppendUint64(keys, r.Number)
		key := keys[len(keys)-8:]
		old := records.Get(key)
		s.sum -= checksumOf(old)
		var err error
		if r.Content != nil {
			if old == nil {
				s.records++
			}
			value := f.seal(key, r.Content)
			s.sum += checksumOf(value)
			err = records.Put(key, value)
		} else if old != nil {
			s.records--
			err = records.Delete(key)
		}
		if err != nil {
			return err
		}
	}
	if err := f.forget(log, b.Forget, s); err != nil {
		return err
	}
	if len(b.Log) > 0 {
		number, err := log.NextSequence()
		if err != nil {
			return err
		}
		key := binary.BigEndian.AppendUint64(nil, number)
		value := f.seal(key, b.Log)
		s.sum += checksumOf(value)
		if err := log.Put(key, value); err != nil {
			return err
		}
	}
	s.last = max(s.last, b.Last)
	return tx.Bucket(aboutBucket).Put(stateKey, s.encode())
}

// forget drops the log's entries before a number.
func (f *File) forget(log *bbolt.Bucket, before uint64, s *state) error {
	if before == 0 {
		return nil
	}
	cursor := log.Cursor()
	// Deleting moves the cursor, so each is sought from the start.
	for key, value := cursor.First(); key != nil && binary.BigEndian.Uint64(key) < before; key, value = cursor.First() {
		s.sum -= checksumOf(value)
		if err := cursor.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// NextLog returns the number that the next entry of the log gets.
func (f *File) NextLog() (next uint64, err error) {
	err = guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			next = tx.Bucket(logBucket).Sequence() + 1
			return nil
		})
	})
	return next, err
}

// seal returns content with its checksum behind it. It is valid for this Commit.
func (f *File) seal(key, content []byte) []byte {
	start := len(f.sealed)
	f.sealed = append(f.sealed, content...)
	f.sealed = binary.BigEndian.AppendUint32(f.sealed, checksum(key, content))
	return f.sealed[start:len(f.sealed):len(f.sealed)]
}

func checksum(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}

// checksumOf returns the checksum that a value ends in, 0 without a value.
func checksumOf(value []byte) uint64 {
	if len(value) < checksumLen {
		return 0
	}
	return uint64(binary.BigEndian.Uint32(value[len(value)-checksumLen:]))
}

// Load hands out the log's entries in their order, then the records by rising
// number. What it hands out is valid during the call. ErrDamaged if something is
// not as it was written, and an error of log or record ends it.
func (f *File) Load(log, record func(number uint64, content []byte) error) error {
	return guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			var found state
			err := each(tx.Bucket(logBucket), &found.sum, log)
			if err != nil {
				return err
			}
			err = each(tx.Bucket(recordsBucket), &found.sum, func(number uint64, content []byte) error {
				found.records++
				return record(number, content)
			})
			if err != nil {
				return err
			}
			if found.sum != f.state.sum || found.records != f.state.records {
				return damaged("%d records, and %d were written", found.records, f.state.records)
			}
			return nil
		})
	})
}

func each(b *bbolt.Bucket, sum *uint64, do func(number uint64, content []byte) error) error {
	return b.ForEach(func(key, value []byte) error {
		if len(key) != 8 || len(value) < checksumLen {
			return damaged("a record of %d bytes under a key of %d", len(value), len(key))
		}
		number, content := binary.BigEndian.Uint64(key), value[:len(value)-checksumLen]
		if uint64(checksum(key, content)) != checksumOf(value) {
			return damaged("the checksum of record %d", number)
		}
		*sum += checksumOf(value)
		return do(number, content)
	})
}

// WriteTo writes the file as it is at this moment, while Commits go on.
func (f *File) WriteTo(w io.Writer) (n int64, err error) {
	err = guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			n, err = tx.WriteTo(w)
			return err
		})
	})
	return n, err
}

// Close closes the file, which another process can then open.
func (f *File) Close() error {
	if errors.Is(f.broken, errPanic) {
		return nil // bbolt may hold its locks; the system closes the file
	}
	return f.db.Close()
}

// guard runs f and makes an error of a panic, also of one because a page of the
// file could not be read from the disk.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return f()
}

var errPanic = errors.New("a fault in the database")

// beforeSync reports whether a commit failed before anything was asked to be on the
// disk, as on a full one, so that nothing can have got lost.
func beforeSync(err error) bool {
	if errors.Is(err, errPanic) || errors.Is(err, ErrDamaged) {
		return false
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op == "write" || path.Op == "truncate" || path.Op == "stat"
	}
	// bbolt has this error as text only.
	return strings.HasPrefix(err.Error(), "file resize error")
}
