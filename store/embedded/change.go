package embedded

import "rest-sessions/store"

// mergeInLock is the most bytes, of data and change together, that are merged with
// the shard's lock held: 10 to 20 microseconds. Data grows by up to 60,000 bytes a
// Set without a limit, and what is large is merged with the lock released.
const mergeInLock = 4096

// change is a Set under way.
type change struct {
	data store.Data
	size int // bytes of data
	// merged is data applied to base, once prepared; ok as from Data.Merge.
	base, merged string
	prepared, ok bool
}

func newChange(d store.Data) change {
	return change{data: d, size: size(d)}
}

// on returns the change applied to stored, the session's data, or that it is not
// ready: then the caller releases the lock, calls prepare, and comes again. If
// another Set got in between, it is not ready once more.
func (c *change) on(stored string) (merged string, ready bool, err error) {
	// Comparing costs nothing when it is the string that prepare was given.
	if !c.prepared || c.base != stored {
		if len(stored)+c.size > mergeInLock {
			return "", false, nil
		}
		c.prepare(stored)
	}
	if !c.ok {
		return "", false, errMalformed
	}
	return c.merged, true, nil
}

func (c *change) prepare(stored string) {
	c.base = stored
	c.merged, c.ok = merge(stored, c.data)
	c.prepared = true
}

// write stores the data, counts the write and answers it at now.
func (sh *shard) write(slot uint32, d string, now int64) store.Session {
	rec := sh.sessions.at(slot)
	s := rec.answer(now)
	sh.touch(rec, now)
	rec.d = d
	rec.w++
	s.D, s.W = rec.d, rec.w
	sh.changed(slot)
	return s
}
