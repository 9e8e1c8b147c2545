package near

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

const (
	// feedPause is between attempts to listen.
	feedPause = 100 * time.Millisecond
	// maxChannels bounds the buckets of a Redis Cluster that are listened to.
	maxChannels = 8192
)

// feeds are what a cache listens with: one feed of one Redis, one a node of a Redis
// Cluster, where a bucket is listened to since its first read.
type feeds struct {
	cache  *Cache
	one    atomic.Pointer[feed] // of one Redis
	wanted chan layout.Bucket   // of a Redis Cluster, to be listened to
	said   string               // why nothing is answered near, in the log

	mu      sync.RWMutex
	buckets map[string]*feed // of a Redis Cluster, by prefix
	nodes   map[string]*feed // by address
	running sync.WaitGroup
}

// ask returns the lease of a bucket that is read, nil if it is not listened to.
func (f *feeds) ask(b layout.Bucket) *lease {
	feed, channel := f.one.Load(), f.channel()
	if b.Prefix != "" {
		f.mu.RLock()
		feed, channel = f.buckets[b.Prefix], b.Cache()
		f.mu.RUnlock()
	}
	if feed == nil {
		return nil
	}
	return feed.ask(channel)
}

// channel is that of one Redis.
func (f *feeds) channel() string { return f.cache.o.Channel }

// fence fences the feed of a bucket, or with none all.
func (f *feeds) fence(b layout.Bucket) {
	if feed := f.one.Load(); feed != nil {
		feed.fence()
		return
	}
	f.mu.RLock()
	var all []*feed
	if feed := f.buckets[b.Prefix]; feed != nil {
		all = append(all, feed)
	} else if b.Prefix == "" {
		for _, feed := range f.nodes {
			all = append(all, feed)
		}
	}
	f.mu.RUnlock()
	var wg sync.WaitGroup
	for _, feed := range all {
		wg.Go(feed.fence)
	}
	wg.Wait()
}

// works reports whether a feed works.
func (f *feeds) works(now time.Duration) bool {
	if feed := f.one.Load(); feed != nil {
		return feed.works(now)
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, feed := range f.nodes {
		if feed.works(now) {
			return true
		}
	}
	return false
}

// run listens until ctx ends.
func (f *feeds) run(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := f.cache.o.Client.Current(ctx)
		if err == nil && conn.Layout.Sharded() {
			err = f.runCluster(ctx, conn)
		} else if err == nil {
			err = f.runOne(ctx, conn)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errReplaced) {
			f.warn("warning: near reads are off until what others change is heard: " + why(err))
		}
		select {
		case <-time.After(feedPause):
		case <-ctx.Done():
		}
	}
}

// warn writes a line to the log, unless it was the last.
func (f *feeds) warn(line string) {
	f.mu.Lock()
	again := f.said == line
	f.said = line
	f.mu.Unlock()
	if !again {
		f.cache.o.Logf("%s", line)
	}
}

// working says that near reads work again, if the log says that they do not.
func (f *feeds) working() {
	f.mu.Lock()
	off := f.said != ""
	f.said = ""
	f.mu.Unlock()
	if off {
		f.cache.o.Logf("near reads are on again")
	}
}

func (f *feeds) runOne(ctx context.Context, conn *wire.Conn) error {
	feed, err := newFeed(ctx, f.cache, conn, conn.Client, f.channel())
	if err != nil {
		return err
	}
	f.one.Store(feed)
	defer f.one.Store(nil)
	f.working()
	return feed.run(ctx)
}

// poke gives a channel an element unless it has one. It does not wait.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
