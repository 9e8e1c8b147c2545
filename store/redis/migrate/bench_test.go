package migrate

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/redis"
)

var sessions = flag.Int("sessions", 1_000_000, "how many sessions BenchmarkMigrate migrates")

// BenchmarkMigrate migrates a million sessions of one app from one Redis to a cluster:
// how many a second, what memory it takes, and which calls hold Redis for over 2 ms.
//
//	go test -run '^$' -bench Migrate -benchtime 1x -timeout 20m ./store/redis/migrate
func BenchmarkMigrate(b *testing.B) {
	for b.Loop() {
		slow := []string{"--slowlog-log-slower-than", "2000", "--slowlog-max-len", "10000"}
		server, cluster := redistest.Start(b, slow...), redistest.StartCluster(b, false, slow...)
		o := Options{
			From: redis.Options{Host: "127.0.0.1", Port: server.Port(), Namespace: "drs", Timeout: timeout},
			To:   redis.Options{Host: "127.0.0.1", Port: cluster.Masters[0].Port(), Namespace: "drs", Timeout: timeout},
			Out:  os.Stdout, Logf: b.Logf, Progress: quiet{},
		}
		seed(b, server, *sessions)
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
		b.ReportMetric(float64(*sessions)/first.Seconds(), "sessions/s")
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

// seed makes sessions as our own scripts would have, by a script that makes many.
func seed(b *testing.B, server *redistest.Server, n int) {
	const many = 500
	script := `
		local now, p = tonumber(redis.call('TIME')[1]), 'drs:shop:'
		for i = 1, #ARGV, 3 do
			local token, id, la = ARGV[i], ARGV[i + 1], now - ARGV[i + 2]
			redis.call('HSET', p .. token, 'id', id, 'r', 3, 'w', 1, 'm', 4, 'ip', '192.0.2.17', 'la', la, 'ttl', 86400,
				'd', '{"name":"Peter Smith","unread_msgs":12,"age":46}')
			redis.call('ZADD', p .. '_sessions', la + i / 1000000, token .. ':' .. id)
			redis.call('ZADD', p .. '_users', la + i / 1000000, id)
			redis.call('ZADD', 'drs:SESSIONS', la + 86459, 'shop:' .. token .. ':' .. id)
			redis.call('SADD', p .. 'us:' .. id, token)
		end`
	for i := 0; i < n; i += many {
		args := []string{"EVAL", script, "0"}
		for j := i; j < i+many; j++ {
			id := "user" + strconv.Itoa(j)
			args = append(args, store.NewToken(id), id, strconv.Itoa((n-j)*900/n)) // idle for up to a quarter of an hour
		}
		if reply, failed := server.Do(b, args...).(redistest.Error); failed {
			b.Fatal(reply)
		}
	}
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
