package near

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

var errNoOwner = errors.New("no node of the cluster has the slot")

// want asks for a bucket of a Redis Cluster to be listened to. It does not wait.
func (f *feeds) want(b layout.Bucket) {
	if b.Prefix == "" {
		return
	}
	select {
	case f.wanted <- b:
	default: // the next read asks again
	}
}

// runCluster listens to buckets as they are wanted, until ctx ends or another connection
// takes conn's place.
func (f *feeds) runCluster(ctx context.Context, conn *wire.Conn) error {
	ctx, stop := context.WithCancel(ctx)
	f.mu.Lock()
	f.buckets, f.nodes = make(map[string]*feed), make(map[string]*feed)
	f.mu.Unlock()
	defer func() {
		stop()
		f.running.Wait()
		f.mu.Lock()
		f.buckets, f.nodes = nil, nil
		f.mu.Unlock()
	}()
	for {
		select {
		case b := <-f.wanted:
			if f.cache.o.Client.Made() != conn {
				return errReplaced
			}
			if err := f.listen(ctx, conn, b); err != nil && ctx.Err() == nil {
				f.warn("warning: near reads are off for a part of the cluster until what others change is heard: " + why(err))
				select {
				case <-time.After(feedPause):
				case <-ctx.Done():
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listen listens to a bucket, on the node that has its slot.
func (f *feeds) listen(ctx context.Context, conn *wire.Conn, b layout.Bucket) error {
	f.mu.RLock()
	listens, full := f.buckets[b.Prefix] != nil, len(f.buckets) >= maxChannels
	f.mu.RUnlock()
	if listens || full {
		return nil
	}
	channel := b.Cache()
	addr, node, err := owner(ctx, conn.Client, channel)
	if err != nil {
		return err
	}
	f.mu.RLock()
	listener := f.nodes[addr]
	f.mu.RUnlock()
	if listener == nil {
		if listener, err = newFeed(ctx, f.cache, conn, node, channel); err != nil {
			return err
		}
		f.mu.Lock()
		f.nodes[addr] = listener
		f.mu.Unlock()
		f.running.Go(func() { f.runNode(ctx, addr, listener) })
	} else if err := listener.listen(ctx, channel); err != nil {
		return err
	}
	f.mu.Lock()
	f.buckets[b.Prefix] = listener
	f.mu.Unlock()
	f.working()
	return nil
}

// runNode runs a node's feed. When it ends, its buckets are no longer listened to until they
// are wanted again.
func (f *feeds) runNode(ctx context.Context, addr string, listener *feed) {
	err := listener.run(ctx)
	f.mu.Lock()
	if f.nodes[addr] == listener {
		delete(f.nodes, addr)
	}
	for prefix, other := range f.buckets {
		if other == listener {
			delete(f.buckets, prefix)
		}
	}
	f.mu.Unlock()
	if ctx.Err() == nil && !errors.Is(err, errReplaced) {
		f.warn("warning: near reads are off for a part of the cluster until what others change is heard: " + why(err))
	}
}

// owner returns the node that has the slot of a channel: the one that looks for a key in it,
// and does not name another. (A replica would take a message and a subscription, but hears of
// nothing that its master counts as received.)
func owner(ctx context.Context, client rueidis.Client, channel string) (addr string, node rueidis.Client, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	nodes := client.Nodes()
	for addr := range nodes {
		for range 3 { // redirections
			node := nodes[addr]
			if node == nil {
				break
			}
			if err = node.Do(ctx, node.B().Exists().Key(channel).Build().ToPipe()).Error(); err == nil {
				return addr, node, nil
			}
			said, ok := rueidis.IsRedisErr(err)
			if !ok {
				break
			}
			if _, moving := said.IsAsk(); moving { // but still there
				return addr, node, nil
			}
			if to, moved := said.IsMoved(); moved {
				addr = to
			} else {
				return "", nil, err
			}
		}
	}
	if err == nil {
		err = errNoOwner
	}
	return "", nil, fmt.Errorf("%w: %w", errNoOwner, err)
}
