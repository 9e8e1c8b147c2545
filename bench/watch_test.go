package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
)

// redisWatch is what a Redis had done when an operation began.
type redisWatch struct {
	server    *redistest.Server
	cpu, wait time.Duration
}

func watchRedis(b *testing.B, server *redistest.Server) redisWatch {
	b.Helper()
	server.Do(b, "SLOWLOG", "RESET")
	server.Do(b, "CONFIG", "RESETSTAT") // the histogram too
	return redisWatch{server, redisCPU(b, server), coreWait(b, server)}
}

// report reports what Redis did since.
func (w redisWatch) report(b *testing.B) string {
	b.Helper()
	slow, longest, what := slowLog(b, w.server)
	b.ReportMetric(float64(slow), "slow-calls")
	b.ReportMetric(float64(longest), "slowest-us")
	return fmt.Sprintf("; Redis used %v of CPU and waited %v for a core; scripts: %s, at most so many us (calls so far): %v; calls over %d us: %d%s",
		(redisCPU(b, w.server) - w.cpu).Round(10*time.Millisecond), (coreWait(b, w.server) - w.wait).Round(time.Millisecond),
		info(b, w.server, "commandstats", "cmdstat_evalsha"), histogram(w.server.Do(b, "LATENCY", "HISTOGRAM", "evalsha")), slowMicros, slow, what)
}

// histogram returns the one that LATENCY HISTOGRAM answers of one command.
func histogram(reply any) any {
	if commands, ok := reply.([]any); ok && len(commands) == 2 {
		if figures, ok := commands[1].([]any); ok && len(figures) == 4 {
			return figures[3]
		}
	}
	return reply
}

// coreWait returns for how long a Redis was ready to run while others had its core:
// a call that takes long then says nothing of the call.
func coreWait(b *testing.B, server *redistest.Server) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + info(b, server, "server", "process_id") + "/schedstat")
	if fields := strings.Fields(string(stat)); err == nil && len(fields) == 3 {
		nanos, _ := strconv.ParseInt(fields[1], 10, 64)
		return time.Duration(nanos)
	}
	return 0
}

// slowLog returns how many calls Redis logged as slow, the longest in microseconds,
// and what some of them were. Redis logs a script and also the command in it that was
// slow. Its clock goes on while another process has its core: where a command that
// does next to nothing is logged, the machine was busy with something else.
func slowLog(b *testing.B, server *redistest.Server) (calls, longest int, what string) {
	b.Helper()
	entries, _ := server.Do(b, "SLOWLOG", "GET", "-1").([]any)
	const shown = 5
	for i, e := range entries {
		entry := e.([]any)
		us, _ := strconv.Atoi(fmt.Sprint(entry[2]))
		longest = max(longest, us)
		if i < shown {
			what += fmt.Sprintf("; %d us %.60s", us, fmt.Sprint(entry[3]))
		}
	}
	return len(entries), longest, what
}

// info returns a line of a section of INFO.
func info(tb testing.TB, server *redistest.Server, section, name string) string {
	tb.Helper()
	for line := range strings.Lines(fmt.Sprint(server.Do(tb, "INFO", section))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// resetPeak has peak begin anew.
func (p process) resetPeak(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0); err != nil {
		tb.Logf("the server's memory is that of its whole life: %v", err)
	}
}

// peak returns the most resident memory that the process had, in bytes.
func (p process) peak(tb testing.TB) int {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		tb.Skipf("memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib << 10
}
