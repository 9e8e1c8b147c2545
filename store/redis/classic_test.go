package redis

import "rest-sessions/store/redis/internal/layout"

// classicNames has the names of the classic layout, for tests that look into one Redis.
type classicNames struct{ layout.Layout }

func classicKeys(s *Store) classicNames { return classicNames{layout.Classic(s.keys.NS)} }

func (c classicNames) of(app string) layout.Bucket      { return c.Buckets(app)[0] }
func (c classicNames) session(app, token string) string { return c.of(app).Session(token) }
func (c classicNames) sessions(app string) string       { return c.of(app).Sessions() }
func (c classicNames) users(app string) string          { return c.of(app).Users() }
func (c classicNames) prefix(app string) string         { return c.of(app).Prefix }
func (c classicNames) wipe() string                     { return c.ClassicWipe() }
