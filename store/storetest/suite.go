package storetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"rest-sessions/store"
)

// forever is a dt that no test's sessions outlive.
const forever = 1_000_000

// suite is one test's store. Its methods end the test on an error that the test
// did not ask for, so they are for the test's own goroutine.
type suite struct {
	*testing.T
	ctx   context.Context
	clock *Clock
	store store.Store
}

// create starts a session and returns its token. What n leaves empty but for the
// data gets a default.
func (s *suite) create(app string, n store.New) string {
	s.Helper()
	token := store.NewToken(n.ID)
	s.createAs(app, token, n)
	return token
}

func (s *suite) createAs(app, token string, n store.New) {
	s.Helper()
	if n.IP == "" {
		n.IP = "127.0.0.1"
	}
	if n.TTL == 0 {
		n.TTL = store.DefaultTTL
	}
	if _, err := s.store.Create(s.ctx, app, token, n); err != nil {
		s.Fatalf("Create(%s, %q): %v", app, n.ID, err)
	}
}

func (s *suite) get(app, token string) store.Session {
	s.Helper()
	session, err := s.store.Get(s.ctx, app, token)
	if err != nil {
		s.Fatalf("Get: %v", err)
	}
	return session
}

func (s *suite) set(app, token string, d store.Data) store.Session {
	s.Helper()
	session, err := s.store.Set(s.ctx, app, token, d)
	if err != nil {
		s.Fatalf("Set: %v", err)
	}
	return session
}

// gone checks that a session is not there for those that name its token.
func (s *suite) gone(app, token string) {
	s.Helper()
	if got, err := s.store.Get(s.ctx, app, token); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("Get: %+v, %v, want ErrNotFound", got, err)
	}
	if got, err := s.store.Set(s.ctx, app, token, data(`"x"`, `1`)); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("Set: %+v, %v, want ErrNotFound", got, err)
	}
	if got, _, err := s.store.Rotate(s.ctx, app, token, store.NewTokenLike(token), 10); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("Rotate: %s, %v, want ErrNotFound", got, err)
	}
	if got, err := s.store.Peek(s.ctx, app, token); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("Peek: %+v, %v, want ErrNotFound", got, err)
	}
	if s.kill(app, token) {
		s.Error("Kill found a session")
	}
}

func (s *suite) getWith(app, token string) store.Session {
	s.Helper()
	session, err := s.store.GetWith(s.ctx, app, token)
	if err != nil {
		s.Fatalf("GetWith: %v", err)
	}
	return session
}

func (s *suite) peek(app, token string) store.Session {
	s.Helper()
	session, err := s.store.Peek(s.ctx, app, token)
	if err != nil {
		s.Fatalf("Peek: %v", err)
	}
	return session
}

func (s *suite) touch(app, token string, ttl, maxAge int64) store.Session {
	s.Helper()
	session, err := s.store.Touch(s.ctx, app, token, ttl, maxAge)
	if err != nil {
		s.Fatalf("Touch: %v", err)
	}
	return session
}

func (s *suite) setIf(app, token string, w int64, d store.Data) store.Session {
	s.Helper()
	session, err := s.store.SetIf(s.ctx, app, token, w, d)
	if err != nil {
		s.Fatalf("SetIf: %v", err)
	}
	return session
}

// conflict checks that a session's w is not w, and returns what SetIf answers.
func (s *suite) conflict(app, token string, w int64) store.Session {
	s.Helper()
	session, err := s.store.SetIf(s.ctx, app, token, w, data(`"conflict"`, `1`))
	if !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		s.Fatalf("SetIf of w %d: %+v, %v, want ErrConflict", w, session, err)
	}
	return session
}

// move moves a session and returns its token.
func (s *suite) move(app, token string, m store.Move) string {
	s.Helper()
	fresh := store.NewToken(m.ID)
	s.moveAs(app, token, fresh, m)
	return fresh
}

func (s *suite) moveAs(app, token, fresh string, m store.Move) store.Details {
	s.Helper()
	details, err := s.store.Move(s.ctx, app, token, fresh, m)
	if err != nil {
		s.Fatalf("Move to %q: %v", m.ID, err)
	}
	return details
}

// wantKillHandle ends a session by the handle that its first token makes.
func (s *suite) wantKillHandle(app, id, first string, want bool) {
	s.Helper()
	killed, err := s.store.KillHandle(s.ctx, app, id, store.Handle(first))
	if err != nil {
		s.Fatalf("KillHandle: %v", err)
	}
	if killed != want {
		s.Errorf("KillHandle(%s, %q): %v, want %v", app, id, killed, want)
	}
}

func (s *suite) wantDetails(got, want store.Details) {
	s.Helper()
	if got != want {
		s.Errorf("details\n%+v, want\n%+v", got, want)
	}
}

func (s *suite) kill(app, token string) bool {
	s.Helper()
	killed, err := s.store.Kill(s.ctx, app, token)
	if err != nil {
		s.Fatalf("Kill: %v", err)
	}
	return killed
}

// number checks the answer of a method that counts.
func (s *suite) number(what string, got int64, err error, want int64) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	if got != want {
		s.Errorf("%s: %d, want %d", what, got, want)
	}
}

func (s *suite) wantActivity(app string, dt, want int64) {
	s.Helper()
	n, err := s.store.Activity(s.ctx, app, dt)
	s.number("Activity("+app+")", n, err, want)
}

func (s *suite) wantKillID(app, id string, want int64) {
	s.Helper()
	s.wantKillOthers(app, id, "", want)
}

func (s *suite) wantKillOthers(app, id, except string, want int64) {
	s.Helper()
	n, err := s.store.KillID(s.ctx, app, id, except)
	s.number("KillID("+app+")", n, err, want)
}

// rotate gives a session a new token, by the token that it has, and returns it.
func (s *suite) rotate(app, token string, grace int64) string {
	s.Helper()
	fresh := store.NewTokenLike(token)
	got, _, err := s.store.Rotate(s.ctx, app, token, fresh, grace)
	if err != nil {
		s.Fatalf("Rotate: %v", err)
	}
	if got != fresh {
		s.Errorf("Rotate answers %s, want %s", got, fresh)
	}
	return fresh
}

// rotateOld rotates by a token that the session had, and checks the answer.
func (s *suite) rotateOld(app, old, want string) {
	s.Helper()
	got, _, err := s.store.Rotate(s.ctx, app, old, store.NewTokenLike(old), store.DefaultGrace)
	if err != nil || got != want {
		s.Errorf("Rotate of an old token: %s, %v, want %s", got, err, want)
	}
}

func (s *suite) wantKillApp(app string, want int64) {
	s.Helper()
	n, err := s.store.KillApp(s.ctx, app)
	s.number("KillApp("+app+")", n, err, want)
}

func (s *suite) wantWipe(want int64) {
	s.Helper()
	n, err := s.store.Wipe(s.ctx)
	s.number("Wipe", n, err, want)
}

// want checks what a session answers. Its details are compared only if some are wanted.
func (s *suite) want(got, want store.Session) {
	s.Helper()
	if want.Details == (store.Details{}) {
		got.Details = want.Details
	}
	if got != want {
		s.Errorf("session\n%+v, want\n%+v", got, want)
	}
}

func (s *suite) ofApp(app string, dt int64) []store.Session {
	s.Helper()
	return s.all("SessionsOfApp", s.store.SessionsOfApp(s.ctx, app, dt))
}

func (s *suite) ofID(app, id string) []store.Session {
	s.Helper()
	return s.all("SessionsOfID", s.store.SessionsOfID(s.ctx, app, id))
}

func (s *suite) all(what string, list store.List) []store.Session {
	s.Helper()
	sessions, err := readAll(s.ctx, list)
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	return sessions
}

// readAll joins a list's chunks.
func readAll(ctx context.Context, list store.List) ([]store.Session, error) {
	var all []store.Session
	for {
		chunk, err := list.Next(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(chunk) == 0 {
			return nil, errors.New("an empty chunk")
		}
		all = append(all, chunk...)
	}
}

// wantIDs checks that a list holds sessions of these users, in this order.
func (s *suite) wantIDs(got []store.Session, want ...string) {
	s.Helper()
	ids := make([]string, len(got))
	for i, session := range got {
		ids[i] = session.ID
	}
	if !slices.Equal(ids, want) {
		s.Errorf("listed %q\nwant   %q", ids, want)
	}
}

// data makes a change from keys, quotes included, and raw values by turns.
func data(keysAndValues ...string) store.Data {
	var d store.Data
	for i := 0; i < len(keysAndValues); i += 2 {
		d = append(d, store.Field{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return d
}
