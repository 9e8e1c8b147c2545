package migrate

import (
	"context"
	"fmt"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rest-sessions/store"
	"rest-sessions/store/redis"
	"rest-sessions/store/redis/redistest"
)

// million is how many sessions are migrated, in one app.
const million = 1_000_000

// BenchmarkMillion migrates a million sessions of one app from one Redis to a cluster:
// how many a second, what memory it takes, and which calls hold Redis for over 2 ms.
//
//	go test -run '^$' -bench Million -benchtime 1x -timeout 20m ./store/redis/migrate
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		slow := []string{"--slowlog-log-slower-than", "2000", "--slowlog-max-len", "10000"}
		server, cluster := redistest.Start(b, slow...), redistest.StartCluster(b, false, slow...)
		o := Options{
			From: redis.Options{Host: "127.0.0.1", Port: server.Port(), Namespace: "drs", Timeout: timeout},
			To:   redis.Options{Host: "127.0.0.1", Port: cluster.Masters[0].Port(), Namespace: "drs", Timeout: timeout},
			Out:  os.Stdout, Logf: b.Logf, Progress: quiet{},
		}
		seed(b, o.From, million)
		nodes := append(cluster.Masters[:3:3], server)
		for _, s := range nodes {
			s.Do(b, "SLOWLOG", "RESET")
		}
		stop := make(chan struct{})
		most := make(chan uint64)
		go watchMemory(stop, most)
		began := time.Now()
		if err := Run(context.Background(), o); err != nil {
			b.Fatal(err)
		}
		first := time.Since(began)
		o.Last = true
		if err := Run(context.Background(), o); err != nil {
			b.Fatal(err)
		}
		close(stop)
		b.ReportMetric(million/first.Seconds(), "sessions/s")
		b.ReportMetric((time.Since(began) - first).Seconds(), "s/last")
		b.ReportMetric(float64(<-most)/(1<<20), "MiB")
		calls, longest := 0, int64(0)
		for _, s := range nodes {
			for _, item := range s.Do(b, "SLOWLOG", "GET", "-1").([]any) {
				entry := item.([]any)
				if words := fmt.Sprint(entry[3]); strings.HasPrefix(words, "[EVAL") || strings.HasPrefix(words, "[SCAN") || strings.HasPrefix(words, "[H") {
					calls, longest = calls+1, max(longest, entry[2].(int64))
				}
			}
		}
		b.ReportMetric(float64(calls), "calls-over-2ms")
		b.ReportMetric(float64(longest), "longest-us")
	}
}

// seed makes sessions.
func seed(b *testing.B, o redis.Options, n int) {
	s, err := redis.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	const workers = 256
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				id := "user" + strconv.Itoa(i)
				err := s.Create(context.Background(), "shop", store.NewToken(id), store.New{ID: id, IP: "192.0.2.17", TTL: 86_400,
					Data: store.Data{{Key: `"name"`, Value: `"Peter Smith"`}, {Key: `"unread_msgs"`, Value: "12"}, {Key: `"age"`, Value: "46"}}})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// watchMemory tells in the end the most memory that this process held.
func watchMemory(stop <-chan struct{}, most chan<- uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	peak := uint64(0)
	for {
		metrics.Read(sample)
		peak = max(peak, sample[0].Value.Uint64()-sample[1].Value.Uint64())
		select {
		case <-stop:
			most <- peak
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
