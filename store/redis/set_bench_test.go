package redis

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
)

// shape is a form of data; data makes it, in about so many bytes.
type shape struct {
	name string
	data func(size int) string
}

// shapes are the forms that data may have, those that are hardest to walk included.
var shapes = []shape{
	{"keys of 13 bytes", func(size int) string {
		return fields(size/13, func(i int) string { return fmt.Sprintf(`"%04d":12345`, i) })
	}},
	{"keys and texts", func(size int) string {
		return fields(size/37, func(i int) string { return fmt.Sprintf(`"name%04d":"a text of a session"`, i) })
	}},
	{"shortest keys", func(size int) string {
		return fields(size/8, func(i int) string { return fmt.Sprintf(`"%03s":0`, strconv.FormatInt(int64(i), 36)) })
	}},
	{"one value", func(size int) string { return `{"a":"` + strings.Repeat("x", size-8) + `"}` }},
	{"20 deep", func(size int) string {
		return fields(size/104, func(i int) string {
			return fmt.Sprintf(`"%04d":%s1%s`, i, strings.Repeat(`{"":`, 19), strings.Repeat("}", 19))
		})
	}},
	{"keys of escapes", func(size int) string {
		return fields(size/37, func(i int) string { return fmt.Sprintf(`"%s%04d":0`, strings.Repeat(`\"`, 14), i) })
	}},
	{"escapes", func(size int) string { return `{"a":"` + strings.Repeat(`\"`, size/2-4) + `"}` }},
	{"brackets", func(size int) string { return `{"a":[` + strings.Repeat("[],", size/3-4) + `[]]}` }},
}

func fields(n int, field func(i int) string) string {
	all := make([]string, max(1, n))
	for i := range all {
		all[i] = field(i)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// evalshas returns how many script calls server had since CONFIG RESETSTAT, and their
// microseconds.
func evalshas(tb testing.TB, server *redistest.Server) (calls, micros int) {
	tb.Helper()
	m := regexp.MustCompile(`cmdstat_evalsha:calls=(\d+),usec=(\d+)`).FindStringSubmatch(fmt.Sprint(server.Do(tb, "INFO", "commandstats")))
	if m == nil {
		return 0, 0
	}
	calls, _ = strconv.Atoi(m[1])
	micros, _ = strconv.Atoi(m[2])
	return calls, micros
}

// BenchmarkSetSize reports what one key's set costs Redis, by what the session holds:
// the time of its script calls, and CPU with the reading and writing of the connection.
func BenchmarkSetSize(b *testing.B) {
	server := redistest.Start(b)
	s := openTest(b, server, nil)
	defer s.Close()
	ctx := context.Background()
	cpu := func() (micros float64) {
		for _, name := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
			seconds, _ := strconv.ParseFloat(server.Field("INFO cpu", name), 64)
			micros += seconds * 1e6
		}
		return micros
	}
	for _, size := range []int{100, 1_000, 10_000, 65_000} {
		for _, shape := range shapes {
			b.Run(fmt.Sprintf("%d/%s", size, shape.name), func(b *testing.B) {
				token := create(b, s, "app", "user", 1_000_000)
				server.Do(b, "HSET", classicKeys(s).session("app", token), "d", shape.data(size))
				set := func(i int) {
					if _, err := s.Set(ctx, "app", token, store.Data{{Key: `"z"`, Value: strconv.Itoa(1000 + i%1000)}}); err != nil {
						b.Fatal(err)
					}
				}
				set(0)
				server.Do(b, "CONFIG", "RESETSTAT")
				before := cpu()
				for i := range b.N {
					set(i)
				}
				used := cpu() - before
				calls, micros := evalshas(b, server)
				b.ReportMetric(float64(micros)/float64(b.N), "script-us/set")
				b.ReportMetric(used/float64(b.N), "redis-us/set")
				b.ReportMetric(float64(calls)/float64(b.N), "calls/set")
			})
		}
	}
}
