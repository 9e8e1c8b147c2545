package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis/internal/layout"
)

// BenchmarkRedisCPU compares one Redis with a Redis Cluster of 3 masters by what an
// operation costs them in CPU, all nodes together: us-Redis/op. Where 3 masters have
// a core each, they do as many operations a second as that many cores have time for.
func BenchmarkRedisCPU(b *testing.B) {
	const sessions = 20_000
	one := redistest.Start(b)
	cluster := redistest.StartCluster(b, false)
	stores := []struct {
		name    string
		servers []*redistest.Server
		s       *Store
	}{
		{"one", []*redistest.Server{one}, openTest(b, one, nil)},
		{"cluster", cluster.Masters, openCluster(b, cluster, layout.DefaultBuckets, nil)},
	}
	ctx := context.Background()
	tokens := map[string][]string{}
	for _, st := range stores {
		defer st.s.Close()
		for i := range sessions {
			tokens[st.name] = append(tokens[st.name], create(b, st.s, "app", "user"+strconv.Itoa(i), 7200))
		}
	}
	for _, op := range []struct {
		name string
		run  func(s *Store, token string) error
	}{
		{"get", func(s *Store, token string) error { _, err := s.Get(ctx, "app", token); return err }},
		{"set", func(s *Store, token string) error { _, err := s.Set(ctx, "app", token, number(1)); return err }},
		{"create", func(s *Store, token string) error {
			id := token[:8]
			_, err := s.Create(ctx, "app", store.NewToken(id), store.New{ID: id, IP: "127.0.0.1", TTL: 7200})
			return err
		}},
		{"activity", func(s *Store, _ string) error { _, err := s.Activity(ctx, "app", 600); return err }},
	} {
		for _, st := range stores {
			b.Run(op.name+"/"+st.name, func(b *testing.B) {
				b.SetParallelism(128) // many enough for calls to share batches
				before := redisCPU(b, st.servers)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					all := tokens[st.name]
					for pb.Next() {
						if err := op.run(st.s, all[rand.IntN(len(all))]); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.StopTimer()
				b.ReportMetric((redisCPU(b, st.servers)-before)/float64(b.N)*1e6, "us-Redis/op")
			})
		}
	}
}

// redisCPU returns the seconds of CPU that servers have used.
func redisCPU(tb testing.TB, servers []*redistest.Server) (seconds float64) {
	tb.Helper()
	for _, server := range servers {
		for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", "cpu"))) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "used_cpu_user" || name == "used_cpu_sys" {
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					tb.Fatal(err)
				}
				seconds += n
			}
		}
	}
	return seconds
}
