package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons of Shed.
const (
	ShedRequests    = "requests"    // too many requests in flight
	ShedRemovals    = "removals"    // too many killsoid and killall in flight
	ShedLists       = "lists"       // too many lists in flight
	ShedConnections = "connections" // too many connections
)

func (m *Metrics) addRequests(o Options) {
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_sessions_requests_total", Help: "Requests answered, by route and status.",
	}, []string{"route", "status"})
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rest_sessions_request_duration_seconds", Buckets: secondsBuckets,
		Help: "Time from a request's arrival to its answer, by route, of the routes of sessions; of a streamed list until its first two chunks are read.",
	}, []string{"route"})
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_sessions_errors_total", Help: "Answers that were errors, by the name in their body.",
	}, []string{"name"})
	preset(m.errors, o.Errors)
	m.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_sessions_refused_total",
		Help: "Requests refused for want of access: missing, invalid (no such key), limited (the same, too often), " +
			"app (not the key's), read_only and role (a route that is not for the key's role), remote (/metrics from another machine).",
	}, []string{"reason"})
	preset(m.refusals, o.Refusals)
	m.shed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_sessions_shed_total",
		Help: "Requests answered 503 unasked, since too many were in flight: requests, removals (killsoid and killall), lists, or connections.",
	}, []string{"reason"})
	preset(m.shed, []string{ShedRequests, ShedRemovals, ShedLists, ShedConnections})
	m.sessions = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rest_sessions_sessions_served_total", Help: "Sessions in answers to get, set, touch and auth.",
	})
	m.misses = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rest_sessions_misses_total", Help: "Requests with a well-formed token or handle that names no session.",
	})
	m.keys = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_sessions_key_requests_total", Help: "Requests with an API key, by its name, those included that are not for the key.",
	}, []string{"key"})
	m.show(m.keys, m.requests, m.duration, m.errors, m.refusals, m.shed, m.sessions, m.misses)
	m.gauge("rest_sessions_requests_in_flight", "Requests that are being answered.", func() float64 { return float64(m.inFlight.Load()) })
}

// Failed counts an answer that is an error, by its name.
func (m *Metrics) Failed(name string) {
	m.errors.WithLabelValues(name).Inc()
}

// Refused counts a request refused for want of access.
func (m *Metrics) Refused(reason string) {
	m.refusals.WithLabelValues(reason).Inc()
}

// Shed counts a request refused since there was too much to do.
func (m *Metrics) Shed(reason string) {
	m.shed.WithLabelValues(reason).Inc()
}

// Served counts a session in an answer.
func (m *Metrics) Served() {
	m.sessions.Inc()
}

// Missed counts a token that names no session.
func (m *Metrics) Missed() {
	m.misses.Inc()
}

// Route counts the requests of a route.
type Route struct {
	Name string

	m        *Metrics
	ok       prometheus.Counter // status 200, resolved once: most requests are
	duration prometheus.Observer
}

// Route returns what counts the requests of a route, and their time if timed is set. The
// statuses of faults are there from the start, since alerts look at their increase.
func (m *Metrics) Route(name string, timed bool) Route {
	r := Route{Name: name, m: m, ok: m.requests.WithLabelValues(name, "200")}
	m.requests.WithLabelValues(name, "500")
	m.requests.WithLabelValues(name, "503")
	if timed {
		r.duration = m.duration.WithLabelValues(name)
	}
	return r
}

// Start counts a request in.
func (r Route) Start() {
	r.m.inFlight.Add(1)
}

// End counts the answer to a request. It does not allocate.
func (r Route) End(status int, took time.Duration) {
	r.m.inFlight.Add(-1)
	if status == 200 {
		r.ok.Inc()
	} else {
		r.m.requests.WithLabelValues(r.Name, statusText(status)).Inc()
	}
	if r.duration != nil {
		r.duration.Observe(took.Seconds())
	}
}

// statusTexts are the decimals of 100 to 599.
var statusTexts = func() (texts [500]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(100 + i)
	}
	return texts
}()

func statusText(status int) string {
	if 100 <= status && status < 600 {
		return statusTexts[status-100]
	}
	return strconv.Itoa(status)
}
