package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/wire"
)

// TestReshard moves slots from one master to another while sessions in
// them are read, written, made and killed: no call may fail, and none may answer
// anything but what is so.
func TestReshard(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, false)
	// A call waits until its slot has moved, which takes as long as the machine takes.
	s := openBrief(t, cluster, "reshard", testTimeout)
	defer s.Close()
	l := newLedger(t, s, func(int) bool { return false })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx)
	}()
	// So that a slot takes a while.
	l.seeded = 4000
	seed(t, s, "app0", l.seeded, 7200)
	lay, _ := s.layout(ctx)
	var took []time.Duration
	// None is moved twice: of one that moves back before all nodes have heard that
	// it moved, Redis itself may lose the owner.
	for _, app := range []string{"app0", "app1"} {
		for i := range 2 {
			eventually(t, "the masters agree", cluster.Agreed)
			for _, p := range lay.Buckets(app)[22*i:][:8] { // of the first master, of the second
				start := time.Now()
				if err := cluster.Move(p.Slot, cluster.Masters[i], cluster.Masters[i+1], 10); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
		}
	}
	t.Logf("%d slots moved, each in %v to %v", len(took), slices.Min(took), slices.Max(took))
	cancel()
	<-ended
	l.settle()
	l.end()
	checkIndexesOn(t, cluster.Masters, s)
}

// TestHalfMovedSlot holds a slot in the middle of its move, with one key of a user
// on the new master, or all but one, and tries everything. What cannot be right is
// refused and changes nothing.
func TestHalfMovedSlot(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, false)
	patient := openBrief(t, cluster, "half", testTimeout)
	defer patient.Close()
	s := openBrief(t, cluster, "half", 20*time.Millisecond)
	defer s.Close()
	ctx := context.Background()
	lay, err := patient.layout(ctx)
	if err != nil {
		t.Fatal(err)
	}
	from, to := cluster.Masters[0], cluster.Masters[1]
	const others = 7 // keys of a user with two sessions, one of them with an old token
	used := map[int]bool{}
	for i := 0; len(used) < 2*others; i++ {
		id := "user" + strconv.Itoa(i)
		of := lay.OfID("app", id)
		if masterOf(of.Slot) != 0 || used[of.Slot] {
			continue
		}
		variant := len(used)
		used[of.Slot] = true
		tokens := []string{create(t, patient, "app", id, 7200), create(t, patient, "app", id, 7200)}
		old := tokens[1]
		if tokens[1], _, err = patient.Rotate(ctx, "app", old, store.NewTokenLike(old), store.MaxGrace); err != nil {
			t.Fatal(err)
		}
		keys := []string{of.Session(old), of.Session(tokens[0]), of.Session(tokens[1]), of.Sessions(), of.Users(), of.User(id), of.Wipe}
		moved := keys[variant%others : variant%others+1]
		if variant >= others { // all but that one
			moved = append(slices.Clone(keys[:variant%others]), keys[variant%others+1:]...)
		}
		if err := cluster.BeginMove(of.Slot, from, to); err != nil {
			t.Fatal(err)
		}
		if err := cluster.MoveKeys(from, to, moved...); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"get":          second(s.Get(ctx, "app", tokens[0])),
			"get old":      second(s.Get(ctx, "app", old)),
			"set":          second(s.Set(ctx, "app", tokens[0], number(1))),
			"set old":      second(s.Set(ctx, "app", old, number(1))),
			"rotate":       third(s.Rotate(ctx, "app", tokens[0], store.NewTokenLike(old), 10)),
			"touch":        second(s.Touch(ctx, "app", tokens[0], 60, 0)),
			"peek":         second(s.Peek(ctx, "app", tokens[0])),
			"handle":       second(s.KillHandle(ctx, "app", id, store.Handle(tokens[0]))),
			"move":         second(s.Move(ctx, "app", tokens[0], store.NewToken(id), store.Move{ID: id})),
			"away":         second(s.Move(ctx, "app", tokens[0], store.NewToken("other"), store.Move{ID: "other"})),
			"move limited": second(s.Move(ctx, "app", tokens[0], store.NewToken(id), store.Move{ID: id, MaxSessions: 1})),
			"kill":         second(s.Kill(ctx, "app", tokens[0])),
			"killsoid":     second(s.KillID(ctx, "app", id, "")),
			"soid":         second(s.SessionsOfID(ctx, "app", id).Next(ctx)),
			"soapp":        second(s.SessionsOfApp(ctx, "app", 60).Next(ctx)),
			"killall":      second(s.killBucket(ctx, lay, of, new(wire.Throttle))),
			"wipe":         second(s.wipeBucket(ctx, lay, of, new(wire.Throttle))),
			"create":       second(s.Create(ctx, "app", store.NewToken(id), store.New{ID: id, IP: "::1", TTL: 100})),
			"limited":      second(s.Create(ctx, "app", store.NewToken(id), store.New{ID: id, IP: "::1", TTL: 100, MaxSessions: 1})),
		} {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s with %q on the new master: %v", what, moved, err)
			}
		}
		if n, err := s.Activity(ctx, "app", 60); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("activity with %q on the new master: %d, %v", moved, n, err)
		}
		var left []string
		for _, key := range keys {
			if !slices.Contains(moved, key) {
				left = append(left, key)
			}
		}
		if err := cluster.MoveKeys(from, to, left...); err != nil {
			t.Fatal(err)
		}
		if err := cluster.EndMove(of.Slot, from, to); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{old, tokens[0], tokens[1]} {
			if got, err := patient.Get(ctx, "app", token); err != nil || got.ID != id || got.W != 1 {
				t.Errorf("after the move: %+v, %v", got, err)
			}
		}
		if all, err := readList(ctx, patient.SessionsOfID(ctx, "app", id)); err != nil || len(all) != 2 {
			t.Errorf("after the move %d sessions, %v", len(all), err)
		}
	}
	checkIndexesOn(t, cluster.Masters, patient)
}
