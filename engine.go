package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/config"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

// engine is what the server needs of either engine.
type engine interface {
	store.Store
	// Writable reports whether writes succeed, as far as that is known.
	Writable() bool
}

// openStore opens the engine that the configuration names, and says in words
// where sessions are kept.
func openStore(c config.Config, counts *metrics.Metrics) (engine, string, error) {
	if c.Data != "" {
		s, err := embedded.Open(embedded.Options{Dir: c.Data, MaxData: c.MaxData, Timeout: c.Timeout, Logf: log.Printf, Observer: counts.Data()})
		if err != nil {
			return nil, "", fmt.Errorf("RS_DATA: %w", err)
		}
		return s, fmt.Sprintf("%d sessions in this process' memory and in %s (RS_DATA)", s.Len(), c.Data), nil
	}
	if use, why := c.Engine(); use == "embedded" {
		how := "sessions in this process' memory (RS_STORE=embedded)"
		if c.Store == "auto" {
			how = "sessions in this process' memory, since " + why +
				" (set RS_REDISHOST to use one, or RS_STORE=embedded to say that none is meant)"
		}
		if c.Cache > 0 {
			log.Print("warning: RS_CACHE is set, but has no effect without Redis: " + how)
		}
		if c.Wipe == 0 {
			return nil, "", errors.New("RS_WIPE is 0, so nothing would free the memory of expired sessions: " + how)
		}
		return embedded.New(embedded.Options{MaxData: c.MaxData}), how, nil
	}
	options := c.Redis()
	options.Logf, options.Observer, options.Reload = log.Printf, counts.Redis(), c.ReloadRedis
	s, err := redis.Open(options)
	if err != nil {
		return nil, "", err
	}
	return s, fmt.Sprintf("sessions in Redis at %s, namespace %s", s.Addr(), c.Namespace), nil
}

// cacheFigures are what metrics ask of near reads.
func cacheFigures(s *redis.Store) metrics.Cache {
	f := s.CacheFigures()
	return metrics.Cache{
		Hits: f.Hits, Evictions: f.Evictions, LeasesLost: f.LeasesLost, ReadsLost: f.LateLost, Misses: f.Misses, Refusals: f.Refusals,
		Sessions: f.Sessions, Oldest: f.Oldest, Lease: f.Lease,
	}
}

// warnOtherNamespace warns a site that moves over from the original: its README
// promised the namespace drs, its code used rs. It returns false if Redis cannot be asked yet.
func warnOtherNamespace(ctx context.Context, s *redis.Store, namespace string) (asked bool) {
	const original = "rs"
	ours, err := s.HasSessions(ctx, namespace)
	if errors.Is(err, store.ErrUnavailable) {
		return false
	}
	if err != nil || ours {
		return true
	}
	if theirs, err := s.HasSessions(ctx, original); err == nil && theirs {
		log.Printf("warning: this Redis holds no sessions under %q, but some under %q, the original's namespace: "+
			"set RS_NAMESPACE=%s to serve them, or RS_NAMESPACE=%s to say that they are not meant",
			namespace, original, original, namespace)
	}
	return true
}

// backUp makes a backup each time that a signal asks for one, until ctx ends. Without a
// file of sessions there is none to make, and the log says so.
func backUp(ctx context.Context, asked <-chan os.Signal, sessions engine, file bool) {
	for {
		var s os.Signal
		select {
		case <-ctx.Done():
			return
		case s = <-asked:
		}
		in, ok := sessions.(*embedded.Store)
		if !ok || !file {
			log.Printf("warning: %v: no backup is made, since RS_DATA is not set: this server has no file of sessions", s)
			continue
		}
		began := time.Now()
		path, err := in.BackUp()
		if err != nil {
			log.Printf("error: backup failed: %v", err)
			continue
		}
		log.Printf("backup: %s, in %v", path, time.Since(began).Round(time.Millisecond))
	}
}
