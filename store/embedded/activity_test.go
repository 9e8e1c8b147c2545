package embedded

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"rest-sessions/store"
)

func TestActivityLogAgainstCounts(t *testing.T) {
	for _, back := range []int64{1, 50, 5000} { // how far the clock steps back
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(4, uint64(back)))
			var l activityLog
			counts := map[int64]int64{}
			var users []int64
			now := int64(100_000)
			for i := range 30_000 {
				switch n := rnd.IntN(100); {
				case n < 2:
					now -= rnd.Int64N(back)
				case n < 60:
					now += rnd.Int64N(3)
				}
				// Up to some 3,000 users, then down, then up again.
				grow := i/3000%3 != 1
				switch n := rnd.IntN(10); {
				case len(users) == 0 || grow && n < 5 || n == 0:
					users = append(users, now)
					l.add(now)
					counts[now]++
				default:
					u := rnd.IntN(len(users))
					from := users[u]
					if counts[from]--; counts[from] == 0 {
						delete(counts, from)
					}
					if !grow && n < 6 {
						l.remove(from)
						users[u] = users[len(users)-1]
						users = users[:len(users)-1]
						break
					}
					l.move(from, now)
					counts[now]++
					users[u] = now
				}
				if i%100 != 0 {
					continue
				}
				if err := l.check(counts); err != nil {
					t.Fatal(err)
				}
				since := now - rnd.Int64N(3000)
				want := int64(0)
				for _, at := range users {
					if at >= since {
						want++
					}
				}
				if got := l.since(since); got != want {
					t.Fatalf("%d users since %d, want %d", got, since, want)
				}
			}
		})
	}
}

// What most users leave must not be held for the few who stay.
func TestActivityLogShrinks(t *testing.T) {
	var l activityLog
	const n = 10_000
	for at := range int64(n) {
		l.add(at)
	}
	for at := range int64(n) {
		if at%100 != 5 {
			l.remove(at)
		}
	}
	if held := cap(l.seconds); held > 400 {
		t.Errorf("room for %d seconds for 100 users", held)
	}
	for at := range int64(n) {
		if at%100 == 5 {
			l.remove(at)
		}
	}
	if cap(l.seconds) > 0 {
		t.Errorf("room for %d seconds for nobody", cap(l.seconds))
	}
}

func TestActivityAtAnyMoment(t *testing.T) {
	s, clock := newTestStore()
	rnd := rand.New(rand.NewPCG(5, 5))
	var tokens []string
	for range 200 {
		for range 50 {
			random(t, s, clock, rnd, &tokens)
		}
		dt := store.MinActivity + rnd.Int64N(500)
		want := int64(0)
		for i := range s.shards {
			users, _ := s.shards[i].users.check()
			for _, slot := range users {
				u := s.shards[i].users.at(slot)
				if s.shards[i].apps.at(u.app).name == "app" && u.lastActivity >= clock.now-dt {
					want++
				}
			}
		}
		if got, err := s.Activity(t.Context(), "app", dt); got != want || err != nil {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
	}
}
