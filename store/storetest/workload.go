package storetest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"

	"rest-sessions/store"
)

// workload makes random operations. There are few apps, users, keys and ttls, so
// that operations meet, and more ends and beginnings than in life.
type workload struct {
	*rand.Rand
	clock  *Clock
	start  int64
	tokens []issued // those of the last sessions, killed ones too
	last   issued   // the last of them
}

// issued is a token and what it was made for.
type issued struct {
	app, token, id string
	first          string // its first token
	ttl            int64
	// end is the last second of one with a max age; graceEnd that of the token, once
	// the session was rotated. Else they are 0.
	end, graceEnd int64
}

const (
	// rememberTokens is how many sessions are asked for again.
	rememberTokens = 60
	hour           = 3600
)

var (
	workApps = []string{"app", "app2", "_sessions"}
	workIDs  = []string{"a", "a:b", "b", "b:", "😀", "a\x00b", `"x"`}
	workTTLs = []int64{10, 11, 19, 20, 25, 60, 95, 100, 599, 600, 3600, 7200}
	workKeys = []string{`"a"`, `"b"`, `"c"`, `"a:b"`, `"\""`, `"\\"`, `""`, `"},{"`, `"é"`, `"null"`}
	workData = []string{
		`null`, `null`, `null`, `null`, `0`, `1.0`, `-1e3`, `12345678901234567890`, `true`, `false`, `""`, `"x"`,
		`"null"`, `"\\\""`, `"\\"`, `"\","`, `"{\"a\":1}"`, `"😀\u0000"`, `"` + strings.Repeat("long ", 50) + `"`,
		text(3_000),
		`[]`, `{}`, `[[],{"a":null}]`, `{"a":1,"b":["]}",{}]}`, `{"b":2,"\"}":"\\"}`, deep,
	}
	workGraces = []int64{0, 1, 5, store.DefaultGrace, 30, store.MaxGrace}
	workDT     = []int64{10, 11, 15, 30, 60, 61, 119, 600, hour, 100_000}
)

// manyKeys returns an object of so many keys.
func manyKeys(n int) string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"\\"%d":%d`, i, i)
	}
	return "{" + strings.Join(keys, ",") + "}"
}

func newWorkload(seed uint64, clock *Clock) *workload {
	return &workload{Rand: rand.New(rand.NewPCG(seed, 0)), clock: clock, start: clock.Now()}
}

func pick[T any](w *workload, from []T) T { return from[w.IntN(len(from))] }

// next returns the next operation and its name. The operation is nil when it was
// the clock that moved.
func (w *workload) next() (string, operation) {
	if len(w.tokens) == 0 {
		return w.create()
	}
	k := w.known()
	app, id := pick(w, workApps), pick(w, workIDs)
	dt := 10 + w.Int64N(20)
	if w.IntN(2) == 0 {
		dt = pick(w, workDT)
	}
	switch n := w.IntN(1000); {
	case n < 130:
		return w.create()
	case n < 170:
		return fmt.Sprintf("GetWith %s %.8s", k.app, k.token), getWith(k.app, k.token)
	case n < 200:
		return fmt.Sprintf("Peek %s %.8s", k.app, k.token), peek(k.app, k.token)
	case n < 250:
		return w.touch(k)
	case n < 290:
		d, more := w.data(), max(0, w.Int64N(5)-2)*(2*w.Int64N(2)-1)
		return fmt.Sprintf("SetIf %s %.8s %+d %q", k.app, k.token, more, d), setIf(k.app, k.token, more, d)
	case n < 310:
		if w.IntN(8) == 0 {
			k.id = id
		}
		if w.IntN(4) == 0 {
			k.first = k.token // which may be a later one
		}
		return fmt.Sprintf("KillHandle %s %q %.8s", k.app, k.id, k.first), killHandle(k.app, k.id, store.Handle(k.first))
	case n < 340:
		return w.move(k, id)
	case n < 430:
		return fmt.Sprintf("Get %s %.8s", k.app, k.token), get(k.app, k.token)
	case n < 580:
		d := w.data()
		return fmt.Sprintf("Set %s %.8s %q", k.app, k.token, d), set(k.app, k.token, d)
	case n < 640:
		return fmt.Sprintf("Activity %s %d", app, dt), activity(app, dt)
	case n < 670:
		return fmt.Sprintf("SessionsOfApp %s %d", app, dt), ofApp(app, dt)
	case n < 690:
		limit := 1 + w.IntN(6)
		return fmt.Sprintf("PageOfApp %s %d %d", app, dt, limit), ofAppInPages(app, dt, limit)
	case n < 700:
		limit := 1 + w.IntN(6)
		return fmt.Sprintf("PageOfID %s %q %d", app, id, limit), ofIDInPages(app, id, limit)
	case n < 702:
		return "PageOfApp " + app + " after a bad cursor", badCursor(app)
	case n < 730:
		return fmt.Sprintf("SessionsOfID %s %q", app, id), ofID(app, id)
	case n < 780:
		return fmt.Sprintf("Kill %s %.8s", k.app, k.token), kill(k.app, k.token)
	case n < 785:
		return fmt.Sprintf("KillID %s %q", app, id), killID(app, id, "")
	case n < 795:
		return fmt.Sprintf("KillID %s %q but %.8s", k.app, k.id, k.token), killID(k.app, k.id, k.token)
	case n < 798:
		return "KillApp " + app, killApp(app)
	case n < 830:
		return "Wipe", wipe
	case n < 832:
		return "Ping", ping
	case n < 890:
		return w.rotate(k)
	}
	return w.wait(), nil
}

func (w *workload) create() (string, operation) {
	i := issued{app: pick(w, workApps), id: pick(w, workIDs), ttl: pick(w, workTTLs)}
	if w.last.id != "" && w.IntN(3) == 0 {
		i.app, i.id = w.last.app, w.last.id // one more of the same user
	}
	i.token = w.token(i.id)
	i.first = i.token
	n := store.New{ID: i.id, IP: "::1", TTL: i.ttl, NoResave: w.IntN(4) == 0}
	if w.IntN(4) == 0 {
		n.MaxAge = pick(w, workTTLs)
		i.end = w.clock.Now() + n.MaxAge
	}
	if w.IntN(3) == 0 {
		n.MaxSessions = 1 + w.IntN(3)
	}
	w.remember(i)
	if w.IntN(2) == 0 {
		n.Data = w.data()
	}
	return fmt.Sprintf("Create %s %.8s %+v", i.app, i.token, n), create(i.app, i.token, n)
}

func (w *workload) remember(i issued) {
	w.last = i
	if len(w.tokens) < rememberTokens {
		w.tokens = append(w.tokens, i)
	} else {
		w.tokens[w.IntN(rememberTokens)] = i
	}
}

// rotate gives the session k another token. The old one is asked for again, too.
func (w *workload) rotate(k issued) (string, operation) {
	if w.IntN(3) == 0 {
		k = w.last
	}
	grace := pick(w, workGraces)
	fresh := w.token(k.id)
	for i := range w.tokens {
		if w.tokens[i].token == k.token {
			w.tokens[i].graceEnd = w.clock.Now() + grace
		}
	}
	next := k
	next.token, next.graceEnd = fresh, 0
	w.remember(next)
	return fmt.Sprintf("Rotate %s %.8s to %.8s in %d s", k.app, k.token, fresh, grace), rotate(k.app, k.token, fresh, grace)
}

// touch lets the session k end at another time, often.
func (w *workload) touch(k issued) (string, operation) {
	var ttl, maxAge int64
	if w.IntN(2) == 0 {
		ttl = pick(w, workTTLs)
	}
	if w.IntN(4) == 0 {
		maxAge = pick(w, workTTLs)
	}
	for i := range w.tokens {
		if w.tokens[i].token != k.token {
			continue
		}
		if ttl != 0 {
			w.tokens[i].ttl = ttl
		}
		if maxAge != 0 {
			w.tokens[i].end = w.clock.Now() + maxAge
		}
	}
	return fmt.Sprintf("Touch %s %.8s %d s, max age %d s", k.app, k.token, ttl, maxAge), touch(k.app, k.token, ttl, maxAge)
}

// move makes the session k the user id's, or at times once more its own. Its tokens
// are asked for again, too.
func (w *workload) move(k issued, id string) (string, operation) {
	if w.IntN(3) == 0 {
		k = w.last
	}
	if w.IntN(6) == 0 {
		id = k.id
	}
	m := store.Move{ID: id, IP: pick(w, []string{"", "::2"})}
	if w.IntN(3) == 0 {
		m.MaxSessions = 1 + w.IntN(3)
	}
	next := k
	next.id, next.token, next.graceEnd = id, w.token(id), 0
	w.remember(next)
	return fmt.Sprintf("Move %s %.8s to %.8s %+v", k.app, k.token, next.token, m), move(k.app, k.token, next.token, m)
}

// known returns a session to ask for: mostly one that was, often by an old token,
// seldom another app's or one that never was.
func (w *workload) known() issued {
	i := pick(w, w.tokens)
	switch n := w.IntN(40); {
	case n == 0:
		i.app = pick(w, workApps)
	case n == 1:
		i.token = w.token(i.id)
	case n < 14:
		i = w.near(func(i issued) int64 { return i.graceEnd })
	}
	return i
}

// near returns a session for which a time, such as an end, is not yet over or has
// just been, if it finds one.
func (w *workload) near(end func(issued) int64) issued {
	for range 10 {
		i := pick(w, w.tokens)
		if left := end(i) - w.clock.Now(); left >= -1 && left <= store.MaxGrace {
			return i
		}
	}
	return pick(w, w.tokens)
}

// token makes a token as store.NewToken does, but from the seed, since lists are
// ordered by it.
func (w *workload) token(id string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	t := make([]byte, store.TokenLen)
	for i := range t {
		t[i] = digits[w.IntN(len(digits))]
	}
	// One in a thousand pairs of characters names the user's bucket.
	for store.TokenBucket(string(t[:2])) != store.Bucket(id) {
		t[0], t[1] = digits[w.IntN(len(digits))], digits[w.IntN(len(digits))]
	}
	return string(t)
}

// data makes a change of one to five keys, none twice.
func (w *workload) data() store.Data {
	var d store.Data
	for _, k := range w.Perm(len(workKeys))[:1+w.IntN(5)] {
		d = append(d, store.Field{Key: workKeys[k], Value: pick(w, workData)})
	}
	switch w.IntN(100) {
	case 0:
		d[0].Value = text(65_400) // more is seldom within the limit
	case 1, 2:
		d[0].Value = manyKeys(400)
	}
	return d
}

// wait moves the clock: mostly by no more than a few seconds, at times to just
// where something ends or a window begins.
func (w *workload) wait() string {
	var seconds int64
	switch w.IntN(20) {
	case 0:
		seconds = pick(w, w.tokens).ttl + w.Int64N(3) - 1
	case 1:
		seconds = store.Window(pick(w, w.tokens).ttl, false) + w.Int64N(3) - 1
	case 2:
		seconds = store.MaxWindow - w.clock.Now()%store.MaxWindow
	case 3:
		i := pick(w, w.tokens)
		seconds = store.WipeAt(w.clock.Now(), i.ttl, false, 0) - w.clock.Now() + w.Int64N(3) - 1
	case 4:
		seconds = w.near(func(i issued) int64 { return i.end }).end - w.clock.Now() + w.Int64N(3) - 1
	case 5, 6:
		seconds = w.near(func(i issued) int64 { return i.graceEnd }).graceEnd - w.clock.Now() + w.Int64N(3) - 1
	case 7:
		if w.IntN(5) == 0 {
			seconds = hour
		}
	default:
		seconds = w.Int64N(4)
	}
	seconds = min(max(0, seconds), hour)
	w.clock.Advance(seconds)
	return fmt.Sprintf("%d s pass", seconds)
}

// remains yields operations that show all that stores still hold, and end it.
func (w *workload) remains() iter.Seq2[string, operation] {
	return func(yield func(string, operation) bool) {
		for _, app := range workApps {
			for _, id := range workIDs {
				if !yield(fmt.Sprintf("at last SessionsOfID %s %q", app, id), ofID(app, id)) {
					return
				}
			}
			if !yield("at last SessionsOfApp "+app, ofApp(app, forever)) ||
				!yield("at last Activity "+app, activity(app, forever)) {
				return
			}
		}
		if !yield("at last KillApp", killApp(workApps[0])) || !yield("at last Wipe", wipe) {
			return
		}
		w.clock.Advance(forever)
		if !yield("at last Wipe, much later", wipe) {
			return
		}
		for _, app := range workApps {
			if !yield("at last Activity "+app, activity(app, 2*forever)) || !yield("at last KillApp "+app, killApp(app)) {
				return
			}
		}
	}
}
