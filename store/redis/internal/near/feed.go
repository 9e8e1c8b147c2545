package near

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

const (
	// beatEvery is how often a beat is sent.
	beatEvery = 50 * time.Millisecond
	// silence is how long without a beat a connection is listened to, and how often a feed
	// that sleeps sends one.
	silence = time.Second
	// fenceTime is how long a fence waits before it ends the leases.
	fenceTime = leaseTime / 2
	// askTimeout bounds what a feed asks of Redis.
	askTimeout = 500 * time.Millisecond
)

var (
	errSilent    = fmt.Errorf("nothing that is published has come back for %v: Redis, or the way to it, stands still", silence)
	errElsewhere = errors.New("the connection that listens has ended, or leads to another server than calls do")
	errReplaced  = errors.New("there is a newer connection")
)

// feed listens on one connection to what is published on a server. Every 50 ms, or while
// nothing is read every second, a beat goes to the server in the way that calls go, and comes
// back by the feed: what was published before it has been received then. So a feed of a server
// that calls no longer go to ends too, which a PING on its connection would not show.
type feed struct {
	cache  *Cache
	conn   *wire.Conn
	beatOn string // the channel of its beats

	asked  chan struct{} // has an element if something was read since the last beat
	sleeps atomic.Bool   // no lease begins, since none is needed

	dedicated rueidis.DedicatedClient
	mu        sync.Mutex
	leases    map[string]*lease // by the channel that it listens on
	beats     map[string]*beat  // in flight, by what is published
	sent      uint64
	latest    time.Duration // when the latest beat that was received was sent
	err       error         // why it ended
}

// beat is one in flight.
type beat struct {
	sent     time.Duration
	received chan struct{} // closed then
}

// newFeed subscribes to the channels on a node, which is conn's own if that is one Redis.
func newFeed(ctx context.Context, c *Cache, conn *wire.Conn, node rueidis.Client, channel string) (*feed, error) {
	f := &feed{
		cache: c, conn: conn, beatOn: channel + ":" + strconv.FormatUint(rand.Uint64(), 36),
		leases: make(map[string]*lease), beats: make(map[string]*beat), latest: c.real(),
		asked: make(chan struct{}, 1),
	}
	f.dedicated, _ = node.Dedicate()
	f.dedicated.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: f.onMessage, OnSubscription: f.subscription})
	err := f.subscribe(ctx, f.beatOn)
	if err == nil {
		err = f.listen(ctx, channel)
	}
	if err != nil {
		f.dedicated.Close()
		return nil, err
	}
	return f, nil
}

func (f *feed) subscribe(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	command := f.dedicated.B().Subscribe().Channel(channel).Build()
	if f.conn.Layout.Sharded() {
		command = f.dedicated.B().Ssubscribe().Channel(channel).Build()
	}
	return f.dedicated.Do(ctx, command).Error()
}

// listen subscribes to a channel, whose lease begins with the next beat.
func (f *feed) listen(ctx context.Context, channel string) error {
	f.mu.Lock()
	ended := f.leases == nil // the feed of a node may end just now
	if !ended {
		f.leases[channel] = new(lease)
	}
	f.mu.Unlock()
	if ended {
		return errElsewhere
	}
	return f.subscribe(ctx, channel)
}

// ask returns the lease of a channel of which a session is read, nil if there is none.
func (f *feed) ask(channel string) *lease {
	poke(f.asked)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leases[channel]
}

// onMessage is called with what is published, in order, by the goroutine that reads the
// connection.
func (f *feed) onMessage(m rueidis.PubSubMessage) {
	if m.Channel != f.beatOn {
		app, token, _ := strings.Cut(m.Message, ":")
		if store.ValidToken(token) {
			f.cache.Drop(app, token)
		}
		return
	}
	now := f.cache.real()
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.beats[m.Message]
	if b == nil {
		return
	}
	delete(f.beats, m.Message)
	close(b.received)
	f.latest = max(f.latest, b.sent)
	if f.sleeps.Load() {
		return // what is read next would find a lease that has ended
	}
	for _, l := range f.leases {
		l.extend(now, b.sent+leaseTime)
	}
}

// subscription is called when the server ends one, as a node does whose slot has moved.
func (f *feed) subscription(s rueidis.PubSubSubscription) {
	if s.Kind != "sunsubscribe" && s.Kind != "unsubscribe" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.leases[s.Channel]; l != nil {
		l.end()
		delete(f.leases, s.Channel)
	}
	if s.Channel == f.beatOn {
		f.err = errElsewhere
	}
}

// beat sends one.
func (f *feed) beat(ctx context.Context) (*beat, error) {
	b := &beat{sent: f.cache.real(), received: make(chan struct{})}
	f.mu.Lock()
	f.sent++
	text := strconv.FormatUint(f.sent, 10)
	f.beats[text] = b
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := f.conn.Client
	command := client.B().Publish().Channel(f.beatOn).Message(text).Build().ToPipe()
	if f.conn.Layout.Sharded() {
		command = client.B().Spublish().Channel(f.beatOn).Message(text).Build().ToPipe()
	}
	receivers, err := client.Do(ctx, command).AsInt64()
	if err == nil && receivers == 0 {
		err = errElsewhere
	}
	if err != nil {
		f.mu.Lock()
		delete(f.beats, text)
		f.mu.Unlock()
	}
	return b, err
}

// run sends beats until ctx ends or the feed is no use any more, and says why. It sleeps
// between them while nothing was read for so long that no answer is left to be repeated.
func (f *feed) run(ctx context.Context) error {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	defer f.close()
	for read := f.cache.real(); ctx.Err() == nil; {
		_, err := f.beat(ctx)
		if errors.Is(err, errElsewhere) {
			return err
		}
		if err := f.check(); err != nil {
			return err
		}
		now := f.cache.real()
		select {
		case <-f.asked:
			read = now
		default:
		}
		if now > read+f.cache.o.For+beatEvery {
			if f.sleep(ctx) {
				read = f.cache.real()
			}
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// sleep ends the leases, and returns true when something is read: what Redis answers it is
// kept, under a lease that begins with the next beat. It returns false after a second, for a
// beat that finds out whether the feed is still of use.
func (f *feed) sleep(ctx context.Context) (read bool) {
	f.sleeps.Store(true)
	f.end()
	timer := time.NewTimer(silence)
	defer timer.Stop()
	select {
	case <-f.asked:
		read = true
	case <-timer.C:
	case <-ctx.Done():
	}
	f.mu.Lock()
	f.latest = f.cache.real()
	f.mu.Unlock()
	f.sleeps.Store(!read)
	return read
}

// check begins new leases for those that were lost.
func (f *feed) check() error {
	if f.cache.o.Client.Made() != f.conn {
		return errReplaced
	}
	now := f.cache.real()
	f.mu.Lock()
	defer f.mu.Unlock()
	for channel, l := range f.leases {
		if l.lost(now) {
			f.cache.Stats.LeasesLost.Add(1)
			f.leases[channel] = new(lease)
		}
	}
	for text, b := range f.beats {
		if now > b.sent+silence {
			delete(f.beats, text)
		}
	}
	if f.err == nil && now > f.latest+silence {
		f.err = errSilent
	}
	return f.err
}

// end ends the leases of now.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for channel, l := range f.leases {
		l.end()
		f.leases[channel] = new(lease)
	}
}

// works reports whether one of its leases holds, or it sleeps.
func (f *feed) works(now time.Duration) bool { return f.sleeps.Load() || f.holds(now) }

// holds reports whether one of its leases holds.
func (f *feed) holds(now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.leases {
		if l.holds(now) {
			return true
		}
	}
	return false
}

// fence returns when what was published before has been received, or the leases have ended.
func (f *feed) fence() {
	if !f.holds(f.cache.real()) {
		f.end() // one may begin just now
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fenceTime)
	defer cancel()
	b, err := f.beat(ctx)
	if err != nil {
		f.end()
		return
	}
	select {
	case <-b.received:
	case <-ctx.Done():
		f.end()
	}
}

func (f *feed) close() {
	f.mu.Lock()
	for _, l := range f.leases {
		if l.until.Load() != 0 {
			f.cache.Stats.LeasesLost.Add(1)
		}
		l.end()
	}
	f.leases = nil
	f.mu.Unlock()
	f.dedicated.Close()
}

// why says in words why nothing is answered near.
func why(err error) string {
	if said, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(said.Error(), "NOPERM") {
		return fmt.Sprintf("the access list of Redis' user forbids to subscribe: docs/redis.md has the list (%v)", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "Redis does not answer in time"
	}
	return err.Error()
}
