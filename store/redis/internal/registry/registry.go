// Package registry keeps what a Redis Cluster must know beside its sessions: into how many
// buckets apps are split, and which apps there are, for the wiper. It is a hash with a field
// per app, in copies. An app is registered before its first session, and never removed.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/rueidis"

	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// maxRegistered bounds the apps that a process remembers to have registered.
const maxRegistered = 4096

// Registry is that of one namespace. It is safe for concurrent use.
type Registry struct {
	// Keys are those of the copies.
	Keys    []string
	ns      string
	buckets int
	// readOnly: the number of buckets is not set where there is none.
	readOnly bool
	logf     func(format string, args ...any)
	asking   sync.WaitGroup // what Any has left behind

	mu    sync.RWMutex
	known map[string]struct{} // apps that are in every copy
}

// New makes the registry of a namespace, which ends with a colon. buckets is how many an
// app is split into where nothing says so yet; 0 means layout.DefaultBuckets.
func New(ns string, buckets int, readOnly bool, logf func(string, ...any)) *Registry {
	return &Registry{
		Keys: layout.RegistryKeys(ns), ns: ns, buckets: cmp.Or(buckets, layout.DefaultBuckets),
		readOnly: readOnly, logf: logf, known: make(map[string]struct{}),
	}
}

// Close waits for what Any has left behind.
func (g *Registry) Close() { g.asking.Wait() }

// Layout asks a cluster for the number of buckets, and sets it if it has none. What
// is there wins over the configuration: with another number sessions would not
// be found.
func (g *Registry) Layout(ctx context.Context, client rueidis.Client) (layout.Layout, error) {
	if !layout.ValidNamespace(g.ns) {
		return layout.Layout{}, wire.Mistake(fmt.Sprintf("the namespace %q has braces, which have a meaning in keys of a Redis Cluster", g.ns[:len(g.ns)-1]))
	}
	// In two steps, so that of two processes that begin at once none reads a copy
	// that the other has still to write.
	if !g.readOnly {
		wire.Send(ctx, client, g.each("HSETNX", layout.BucketsField, strconv.Itoa(g.buckets)))
	}
	there, answered, none := 0, 0, 0
	var failure error
	for _, r := range wire.Send(ctx, client, g.each("HGET", layout.BucketsField)) {
		n, err := r.AsInt64()
		switch {
		case rueidis.IsRedisNil(err): // its HSETNX failed, or was not sent
			none++
		case err != nil:
			failure = err
		default:
			// All are the same, but where processes of different configurations began
			// at once: then the first.
			if answered++; there == 0 {
				there = int(n)
			}
		}
	}
	if g.readOnly && none == layout.RegistryCopies {
		there, answered = g.buckets, none
	}
	switch {
	case answered < layout.RegistryCopies/2:
		if failure == nil {
			failure = errors.New("it did not keep the number of buckets")
		}
		return layout.Layout{}, failure
	case !layout.ValidBuckets(there):
		return layout.Layout{}, fmt.Errorf("%s says that apps are split into %d buckets", g.Keys[0], there)
	case there != g.buckets:
		g.logf("warning: namespace %s is split into %d buckets, so RS_BUCKETS=%d is ignored",
			g.ns[:len(g.ns)-1], there, g.buckets)
		g.buckets = there
	}
	return layout.Sharded(g.ns, there), nil
}

// each makes a command for each copy.
func (g *Registry) each(args ...string) []wire.Command {
	commands := make([]wire.Command, len(g.Keys))
	for i, key := range g.Keys {
		commands[i] = wire.Command{Keys: []string{key}, Args: args}
	}
	return commands
}

// Register makes the registry hold an app, before the app's first session.
func (g *Registry) Register(ctx context.Context, client *wire.Client, app string) error {
	g.mu.RLock()
	_, known := g.known[app]
	g.mu.RUnlock()
	if known {
		return nil
	}
	_, errs, err := client.RunEach(ctx, g.each("HSET", app, "1"))
	if err != nil {
		return err
	}
	missed := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch {
	case len(missed) > layout.RegistryCopies/2:
		return missed[0]
	case len(missed) > 0:
		return nil // the next session tries the others again
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= maxRegistered {
		clear(g.known)
	}
	g.known[app] = struct{}{}
	return nil
}

// Any asks the node of each copy of the registry at once and returns nil when one has
// succeeded. The others are not called off then: rueidis may be dialing for one of
// them, and whoever else waits for that connection would fail with it.
func (g *Registry) Any(ctx context.Context, ask func(ctx context.Context, key string) error) error {
	errs := make(chan error, len(g.Keys))
	for _, key := range g.Keys {
		g.asking.Go(func() { errs <- ask(context.WithoutCancel(ctx), key) })
	}
	var failure error
	for range g.Keys {
		select {
		case err := <-errs:
			if err == nil {
				return nil
			}
			failure = err
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
	return fmt.Errorf("%w: no part of the cluster serves: %w", store.ErrUnavailable, failure)
}
