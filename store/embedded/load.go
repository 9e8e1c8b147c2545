package embedded

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"rest-sessions/store"
	"rest-sessions/store/embedded/disk"
)

// batchBytes is how many bytes of records of one shard are restored at a time: some
// hundreds, with the shard's records in the CPU's caches.
const batchBytes = 64 << 10

// recordBatch is some records of one shard, in order.
type recordBatch struct {
	text []byte
	ends []recordEnd
}

type recordEnd struct {
	number uint64
	end    int // in text
}

// loader brings a file's sessions to memory. One goroutine reads, and several
// restore, each the shards that are its.
type loader struct {
	store   *Store
	touches map[uint64]touch
	last    uint64 // the last number
	batches [shards]recordBatch
	workers []chan func() error

	mu      sync.Mutex
	aliases []stored
	err     error
}

// load brings the file's sessions to memory, before anything else uses the Store.
func (s *Store) load(file *disk.File, log *touchLog) error {
	l := loader{store: s, touches: map[uint64]touch{}, last: file.Last()}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work := make(chan func() error, 1)
		l.workers = append(l.workers, work)
		wg.Go(func() {
			for do := range work {
				if err := do(); err != nil {
					l.fail(err)
				}
			}
		})
	}
	err := file.Load(func(number uint64, entry []byte) error {
		if log.oldest == 0 {
			log.oldest = number
		}
		return l.log(number, entry, log)
	}, l.record)
	for number := range l.batches {
		l.send(number)
	}
	for _, work := range l.workers {
		close(work)
	}
	wg.Wait()
	if err = cmp.Or(l.err, err); err != nil {
		return err
	}
	slices.SortFunc(l.aliases, func(a, b stored) int { return cmp.Compare(a.serial, b.serial) })
	s.restoreAliases(l.aliases)
	s.serial.Store(l.last)
	if log.next, err = file.NextLog(); log.oldest == 0 {
		log.oldest = log.next
	}
	return err
}

func (l *loader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = cmp.Or(l.err, err)
}

func (l *loader) log(number uint64, entry []byte, log *touchLog) error {
	err := parseTouches(entry, func(t touch) {
		log.touches++
		if last := l.touches[t.serial]; t.later(last.r, last.lastActivity) {
			l.touches[t.serial] = t
		}
	})
	if err != nil {
		return fmt.Errorf("log entry %d: %w", number, err)
	}
	return nil
}

// record adds a record to its shard's batch.
func (l *loader) record(number uint64, content []byte) error {
	shard, ok := shardOfRecord(content)
	if !ok {
		return fmt.Errorf("record %d: %w", number, errRecord)
	}
	l.last = max(l.last, number)
	b := &l.batches[shard]
	if b.text == nil {
		b.text = make([]byte, 0, batchBytes)
	}
	b.text = append(b.text, content...)
	b.ends = append(b.ends, recordEnd{number, len(b.text)})
	if len(b.text) < batchBytes*3/4 {
		return nil
	}
	return l.send(shard)
}

// send gives a shard's batch to the shard's worker.
func (l *loader) send(shard int) error {
	b := l.batches[shard]
	l.batches[shard] = recordBatch{}
	if len(b.ends) > 0 {
		l.workers[shard%len(l.workers)] <- func() error { return l.restore(b) }
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *loader) restore(b recordBatch) error {
	var rec stored
	start := 0
	for _, r := range b.ends {
		err := rec.parse(b.text[start:r.end])
		if err != nil {
			return fmt.Errorf("record %d: %w", r.number, err)
		}
		start = r.end
		rec.serial = r.number
		if rec.aliasOf != 0 {
			l.mu.Lock()
			l.aliases = append(l.aliases, rec)
			l.mu.Unlock()
			continue
		}
		if t, ok := l.touches[r.number]; ok {
			t.apply(&rec.session)
		}
		l.store.restore(&rec)
	}
	return nil
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
			sh.changes = append(sh.changes, changed{shard: sh, alias: true, number: a.serial})
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
