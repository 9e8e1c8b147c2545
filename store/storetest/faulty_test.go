package storetest

import (
	"errors"
	"io"
	"testing"

	"rest-sessions/store"
)

// A Faulty that is not told to fail is in nobody's way.
func TestFaultyWorks(t *testing.T) {
	Run(t, func(_ *testing.T, clock *Clock) store.Store { return NewFaulty(newModel(clock, "")) })
}

// calls calls each method once, by name.
func calls(t *testing.T, s store.Store) map[string]error {
	ctx := t.Context()
	token := store.NewToken("u")
	errs := map[string]error{}
	_, errs["Create"] = s.Create(ctx, "app", token, store.New{ID: "u", TTL: 10})
	_, errs["Get"] = s.Get(ctx, "app", token)
	_, errs["SetIf"] = s.SetIf(ctx, "app", token, 1, data(`"a"`, `1`))
	_, errs["Set"] = s.Set(ctx, "app", token, data(`"a"`, `1`))
	_, errs["GetWith"] = s.GetWith(ctx, "app", token)
	_, errs["Peek"] = s.Peek(ctx, "app", token)
	_, errs["Touch"] = s.Touch(ctx, "app", token, 20, 30)
	_, _, errs["Rotate"] = s.Rotate(ctx, "app", token, store.NewTokenLike(token), 10)
	_, errs["Move"] = s.Move(ctx, "app", token, store.NewToken("v"), store.Move{ID: "v"})
	_, errs["KillHandle"] = s.KillHandle(ctx, "app", "v", store.Handle(token))
	_, errs["Activity"] = s.Activity(ctx, "app", 10)
	_, errs["SessionsOfApp"] = readAll(ctx, s.SessionsOfApp(ctx, "app", 10))
	_, errs["SessionsOfID"] = readAll(ctx, s.SessionsOfID(ctx, "app", "u"))
	_, errs["PageOfApp"] = readAll(ctx, s.PageOfApp(ctx, "app", 10, 1, ""))
	_, errs["PageOfID"] = readAll(ctx, s.PageOfID(ctx, "app", "u", 1, ""))
	_, errs["Kill"] = s.Kill(ctx, "app", token)
	_, errs["KillID"] = s.KillID(ctx, "app", "u", "")
	_, errs["KillApp"] = s.KillApp(ctx, "app")
	_, errs["Wipe"] = s.Wipe(ctx)
	errs["Ping"] = s.Ping(ctx)
	return errs
}

func TestFaultyFails(t *testing.T) {
	broken := errors.New("broken")
	f := NewFaulty(newModel(NewClock(startTime), ""))
	for _, method := range methods {
		f.Fail(method, broken)
		for name, err := range calls(t, f) {
			switch {
			case name == method && err != broken:
				t.Errorf("%s answers %v", name, err)
			case name != method && method != "Create" && err != nil:
				t.Errorf("%s answers %v where %s fails", name, err, method)
			}
		}
		f.Fail(method, nil)
	}
	f.FailAll(broken)
	errs := calls(t, f)
	if len(errs) != len(methods) {
		t.Errorf("%d methods called, want %d", len(errs), len(methods))
	}
	for name, err := range errs {
		if err != broken {
			t.Errorf("%s answers %v where all fail", name, err)
		}
	}
	f.FailAll(nil)
	for name, err := range calls(t, f) {
		if err != nil {
			t.Errorf("%s answers %v where none fails", name, err)
		}
	}
}

func TestFaultyLists(t *testing.T) {
	broken := errors.New("broken")
	f := NewFaulty(newModel(NewClock(startTime), ""))
	const sessions = 2*modelChunk + 1 // three chunks
	for range sessions {
		if _, err := f.Create(t.Context(), "app", store.NewToken("u"), store.New{ID: "u", TTL: 10}); err != nil {
			t.Fatal(err)
		}
	}
	lists := map[string]func() store.List{
		"SessionsOfApp": func() store.List { return f.SessionsOfApp(t.Context(), "app", 10) },
		"SessionsOfID":  func() store.List { return f.SessionsOfID(t.Context(), "app", "u") },
		"PageOfApp":     func() store.List { return f.PageOfApp(t.Context(), "app", 10, sessions, "") },
		"PageOfID":      func() store.List { return f.PageOfID(t.Context(), "app", "u", sessions, "") },
	}
	for method, list := range lists {
		for fail := 1; fail <= 4; fail++ {
			f.FailNext(method, fail, broken)
			l := list()
			for n := 1; n < fail; n++ {
				if chunk, err := l.Next(t.Context()); err != nil || len(chunk) == 0 {
					t.Errorf("%s, chunk %d before %d: %d sessions, %v", method, n, fail, len(chunk), err)
				}
			}
			for range 2 {
				if chunk, err := l.Next(t.Context()); err != broken || chunk != nil {
					t.Errorf("%s, chunk %d: %d sessions, %v", method, fail, len(chunk), err)
				}
			}
		}
		f.FailNext(method, 5, broken)
		if all, err := readAll(t.Context(), list()); len(all) != sessions || err != nil {
			t.Errorf("%s with fewer chunks: %d sessions, %v", method, len(all), err)
		}
		f.FailAll(nil)
	}
}

func TestFaultyKnowsItsMethods(t *testing.T) {
	f := NewFaulty(newModel(NewClock(startTime), ""))
	for name, misuse := range map[string]func(){
		"Gett":       func() { f.Fail("Gett", io.EOF) },
		"Close":      func() { f.Fail("Close", io.EOF) },
		"Get chunks": func() { f.FailNext("Get", 1, io.EOF) },
		"chunk 0":    func() { f.FailNext("SessionsOfApp", 0, io.EOF) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}
