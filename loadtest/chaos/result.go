//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// answerLimit is how long after RS_TIMEOUT a request is answered at the latest.
	answerLimit = 100 * time.Millisecond
	// nearLimit is how long after Redis has fallen silent a read is answered from memory.
	nearLimit = 200 * time.Millisecond
	// recoverLimit is how long after Redis itself all is served again.
	recoverLimit = time.Second
)

// result is what was seen of a fault.
type result struct {
	name      string
	requests  int           // up to the last list, those that filled the store left out
	wrong     int           // answers that cannot be true
	silent    int           // requests without an answer
	refused   int           // 503s
	first     time.Duration // from the fault to the first 503
	slowest   time.Duration // answer, from the fault on
	recovery  time.Duration // from Redis' to the last request that got a 503, or to the first that was served
	ready     string        // what /readyz said while the fault lasted
	liveliest time.Duration // the slowest /livez, from the fault on: the machine's share of slowest
	proof     string        // what the fault did, if that is not seen in the others
	problems  []string      // limits that are broken
}

var header = strings.Join([]string{
	"| Redis | requests | wrong answers | no answer | 503s | first 503 after | slowest answer | serves again after | `/readyz` meanwhile |",
	"|---|---|---|---|---|---|---|---|---|",
}, "\n")

// line is r's row.
func (r *result) line() string {
	first := "-"
	if r.refused > 0 {
		first = millis(r.first)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %s | %s | %s | %s |",
		r.name, r.requests, r.wrong, r.silent, r.refused, first, millis(r.slowest), millis(r.recovery), r.ready)
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// judge sums up. Answers before the index `from` filled the store, those from
// `loaded` on read and list every session at the end.
func (t *trial) judge(f *fault, from, loaded int) *result {
	r := &result{name: f.name, requests: len(t.answers) - from}
	served, late, stale := time.Time{}, 0, 0
	var slowest answer
	var own time.Duration // what slowest took while the machine did not stand still
	for i, a := range t.answers {
		switch {
		case a.wrong:
			r.wrong++
		case a.status == 0:
			r.silent++
		case a.status == http.StatusServiceUnavailable:
			r.refused++
			if after := a.sent.Add(a.took).Sub(t.strikes); r.first == 0 || after < r.first {
				r.first = after
			}
			if t.watch.stood(a.sent.Add(-recoverLimit), a.sent.Add(a.took)) > timeout/4 {
				break // the machine's, which stood still, or had until just now
			}
			if i >= loaded || i < from || a.sent.Before(t.strikes) && a.sent.Add(a.took).Before(t.strikes) {
				late++
			}
			r.recovery = max(r.recovery, a.sent.Sub(t.recovered))
		default:
			if a.sent.After(t.silent.begin.Add(nearLimit)) && a.sent.Add(a.took).Before(t.silent.end) {
				stale++
			}
			if a.sent.After(t.recovered) && (served.IsZero() || a.sent.Add(a.took).Before(served)) {
				served = a.sent.Add(a.took)
			}
		}
		if a.sent.Add(a.took).After(t.strikes) {
			if took := a.took - t.watch.stood(a.sent, a.sent.Add(a.took)); took > own {
				own, slowest, r.slowest = took, a, a.took
			}
		}
	}
	if r.refused > 0 {
		r.recovery = max(r.recovery, served.Sub(t.recovered))
	}
	ready := map[int]int{}
	for _, p := range t.probes {
		switch end := p.sent.Add(p.took); {
		case !p.ready && end.After(t.strikes):
			r.liveliest = max(r.liveliest, p.took)
		case p.ready && p.sent.After(t.strikes) && end.Before(t.recovered):
			ready[p.status]++
		}
	}
	r.ready = "200"
	if ready[200] < ready[503] {
		r.ready = "503"
	}
	broken := func(is bool, format string, args ...any) {
		if is {
			r.problems = append(r.problems, fmt.Sprintf(format, args...))
		}
	}
	broken(!t.site.Alive(), "the server ended: %s", t.site.Log.String())
	broken(r.wrong > 0, "%d answers are wrong", r.wrong)
	broken(r.silent > 0, "%d requests got no answer", r.silent)
	broken(stale > 0, "%d requests were served later than %v after Redis fell silent, while it was", stale, nearLimit)
	broken(late > 0, "%d 503s while nothing was wrong with Redis", late)
	broken(r.refused == 0 && !f.gentle, "no 503: the fault was none")
	if f.proof != nil {
		var err error
		r.proof, err = f.proof(t)
		broken(err != nil, "%v", err)
	}
	limit := timeout + answerLimit + r.liveliest
	broken(own > limit, "the slowest answer, %d to a %v sent %v after the fault began, took %v, more than %v", slowest.status, slowest.kind, slowest.sent.Sub(t.strikes), own, limit)
	limit = recoverLimit + r.liveliest + t.watch.stood(t.recovered, t.recovered.Add(r.recovery))
	broken(r.recovery > limit, "it served again %v after Redis, more than %v", r.recovery, limit)
	broken(served.IsZero(), "it did not serve again")
	if len(r.problems) > 0 {
		r.problems = append(r.problems, t.examples...)
		r.problems = append(r.problems, "the server's log: "+t.site.Log.String())
	}
	return r
}
