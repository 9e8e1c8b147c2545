package redis

import (
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

// DefaultBuckets is how many buckets an app is split into on a Redis Cluster.
const DefaultBuckets = layout.DefaultBuckets

// maxRegistered bounds the apps that a process remembers to have registered.
const maxRegistered = 4096

// registry is what a Redis Cluster must be asked beside its sessions, which the
// names of keys do not say: into how many buckets apps are split, and which apps
// there are, for the wiper. It is a hash with a field for each app, in copies. An
// app is registered before its first session; it is never taken out.
type registry struct {
	keys    []string // of the copies
	ns      string
	buckets int
	// readOnly: the number of buckets is not set where there is none.
	readOnly bool
	logf     func(format string, args ...any)

	mu    sync.RWMutex
	known map[string]struct{} // apps that are in every copy
}

func newRegistry(ns string, buckets int, readOnly bool, logf func(string, ...any)) *registry {
	if buckets == 0 {
		buckets = layout.DefaultBuckets
	}
	return &registry{keys: layout.RegistryKeys(ns), ns: ns, buckets: buckets, readOnly: readOnly, logf: logf, known: make(map[string]struct{})}
}

// layout asks a cluster for the number of buckets, and sets it if it has none. What
// is there wins over the configuration: with another number sessions would not
// be found.
func (g *registry) layout(ctx context.Context, client rueidis.Client) (layout.Layout, error) {
	if !layout.ValidNamespace(g.ns) {
		return layout.Layout{}, wire.Mistake(fmt.Sprintf("the namespace %q has braces, which have a meaning in keys of a Redis Cluster", g.ns[:len(g.ns)-1]))
	}
	var set, get []wire.Command
	for _, key := range g.keys {
		set = append(set, wire.Command{Keys: []string{key}, Args: []string{"HSETNX", layout.BucketsField, strconv.Itoa(g.buckets)}})
		get = append(get, wire.Command{Keys: []string{key}, Args: []string{"HGET", layout.BucketsField}})
	}
	// In two steps, so that of two processes that begin at once none reads a copy
	// that the other has still to write.
	if !g.readOnly {
		wire.Send(ctx, client, set)
	}
	there, answered, none := 0, 0, 0
	var failure error
	for _, r := range wire.Send(ctx, client, get) {
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
		return layout.Layout{}, fmt.Errorf("%s says that apps are split into %d buckets", g.keys[0], there)
	case there != g.buckets:
		g.logf("warning: namespace %s is split into %d buckets, so RS_BUCKETS=%d is ignored",
			g.ns[:len(g.ns)-1], there, g.buckets)
		g.buckets = there
	}
	return layout.Sharded(g.ns, there), nil
}

// register makes the registry hold an app, before the app's first session.
func (s *Store) register(ctx context.Context, app string) error {
	g := s.registry
	g.mu.RLock()
	_, known := g.known[app]
	g.mu.RUnlock()
	if known {
		return nil
	}
	commands := make([]wire.Command, len(g.keys))
	for i, key := range g.keys {
		commands[i] = wire.Command{Keys: []string{key}, Args: []string{"HSET", app, "1"}}
	}
	_, errs, err := s.client.RunEach(ctx, commands)
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

// hasApps reports whether a namespace's registry holds apps.
func hasApps(ctx context.Context, client rueidis.Client, ns string) (bool, error) {
	var ask []wire.Command
	for _, key := range layout.RegistryKeys(ns) {
		ask = append(ask, wire.Command{Keys: []string{key}, Args: []string{"HLEN"}})
	}
	for _, r := range wire.Send(ctx, client, ask) {
		n, err := r.AsInt64()
		if err != nil {
			return false, wire.Classify(err)
		}
		if n > 1 { // one is layout.BucketsField
			return true, nil
		}
	}
	return false, nil
}

// mendRegistry gives each copy of our registry what others have and it lacks, and
// returns the apps.
func (s *Store) mendRegistry(ctx context.Context) ([]string, error) {
	g := s.registry
	held, err := s.registryFields(ctx, g.keys)
	if err != nil {
		return nil, err
	}
	apps := appsOf(held)
	var lacking []wire.Command
	for i, key := range g.keys {
		if !held[i][layout.BucketsField] {
			lacking = append(lacking, wire.Command{Keys: []string{key}, Args: []string{"HSETNX", layout.BucketsField, strconv.Itoa(g.buckets)}})
		}
		for _, app := range apps {
			if !held[i][app] {
				lacking = append(lacking, wire.Command{Keys: []string{key}, Args: []string{"HSET", app, "1"}})
			}
		}
	}
	_, err = s.client.RunAll(ctx, lacking)
	return apps, err
}

// registryFields returns the fields of each copy of a registry.
func (s *Store) registryFields(ctx context.Context, keys []string) ([]map[string]bool, error) {
	commands := make([]wire.Command, len(keys))
	for i, key := range keys {
		commands[i] = wire.Command{Keys: []string{key}, Args: []string{"HKEYS"}}
	}
	replies, err := s.client.RunAll(ctx, commands)
	if err != nil {
		return nil, err
	}
	held := make([]map[string]bool, len(keys))
	for i := range replies {
		fields, err := replies[i].AsStrSlice()
		if err != nil {
			return nil, fmt.Errorf("%w: the registry: %w", errReply, err)
		}
		held[i] = make(map[string]bool, len(fields))
		for _, field := range fields {
			held[i][field] = true
		}
	}
	return held, nil
}

// appsOf returns the apps that at least one copy holds, in order.
func appsOf(held []map[string]bool) []string {
	var apps []string
	for _, fields := range held {
		for field := range fields {
			if field != layout.BucketsField {
				apps = append(apps, field)
			}
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps)
}

// pingCluster asks for the registry's copies, until one answers.
func (s *Store) pingCluster(ctx context.Context) error {
	return s.anyCopy(ctx, func(ctx context.Context, key string) error {
		_, err := s.client.Do(ctx, s.keys.GroupOf(key), func(ctx context.Context, client rueidis.Client) (rueidis.RedisMessage, error) {
			return client.Do(ctx, client.B().Exists().Key(key).Build()).ToMessage()
		})
		return err
	})
}

// anyCopy asks the node of each copy of the registry at once and returns nil when one
// has succeeded. The others are not called off then: rueidis may be dialing for one of
// them, and whoever else waits for that connection would fail with it.
func (s *Store) anyCopy(ctx context.Context, ask func(ctx context.Context, key string) error) error {
	errs := make(chan error, len(s.registry.keys))
	for _, key := range s.registry.keys {
		s.asking.Go(func() { errs <- ask(context.WithoutCancel(ctx), key) })
	}
	var failure error
	for range s.registry.keys {
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
