package handlers

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"
)

// Metrics counts what the server does, for Prometheus. No label holds a token, an
// id or an app. A nil *Metrics counts nothing.
type Metrics struct {
	version   string
	registry  *prometheus.Registry
	duration  *prometheus.HistogramVec // by route and status
	errors    *prometheus.CounterVec   // by name
	sessions  prometheus.Counter
	misses    prometheus.Counter
	refusals  *prometheus.CounterVec // by reason
	batch     prometheus.Histogram
	roundTrip prometheus.Histogram
	circuit   prometheus.Gauge
	openings  prometheus.Counter
	evicts    prometheus.Gauge
	inFlight  atomic.Int64
	admission atomic.Pointer[admission]
	lists     atomic.Pointer[listLimit]
}

// secondsBuckets are the bounds of time histograms, from 50 us, about what a read
// takes on a quiet server, to twice the default timeout of the store.
var secondsBuckets = []float64{
	50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 12.8e-3, 25.6e-3, 51.2e-3, 102.4e-3, 0.25, 0.5, 1, 2,
}

// NewMetrics makes metrics that also tell of the Go runtime and the process.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		version:  version,
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rest_sessions_request_duration_seconds", Buckets: secondsBuckets,
			Help: "Time from a request's arrival to its answer, by route and status; of a streamed list to its second page.",
		}, []string{"route", "status"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rest_sessions_errors_total", Help: "Answers that were errors, by the name in their body.",
		}, []string{"name"}),
		sessions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rest_sessions_sessions_served_total", Help: "Sessions in answers to get, set and auth.",
		}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rest_sessions_misses_total", Help: "Requests for a well-formed token that names no session.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rest_sessions_refused_total",
			Help: "Requests refused for want of access: missing, invalid (no such key), limited (the same, too often), " +
				"app (not the key's), read_only and role (a route that is not for the key's role), remote (/metrics from another machine).",
		}, []string{"reason"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rest_sessions_batch_reads", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
			Help: "Reads that shared a script call.",
		}),
		roundTrip: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rest_sessions_store_round_trip_seconds", Buckets: secondsBuckets,
			Help: "Time of a round trip to Redis.",
		}),
		circuit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rest_sessions_store_circuit_open", Help: "1 while requests fail at once since Redis does not answer, else 0.",
		}),
		openings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rest_sessions_store_circuit_opened_total", Help: "How often Redis was found not to answer.",
		}),
		evicts: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rest_sessions_store_evicts", Help: "1 if Redis can evict sessions when its memory is short, else 0.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rest_sessions_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.duration, m.errors, m.sessions, m.misses, m.refusals, m.batch, m.roundTrip, m.circuit, m.openings, m.evicts, info,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rest_sessions_requests_in_flight", Help: "Requests that are being answered.",
		}, func() float64 { return float64(m.inFlight.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rest_sessions_in_flight_limit", Help: "How many requests may be on their way to the store at once, now.",
		}, func() float64 {
			if a := m.admission.Load(); a != nil {
				return float64(a.limit.Load())
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rest_sessions_lists_in_flight", Help: "Lists (soapp and soid) that are read from the store or streamed.",
		}, func() float64 {
			if l := m.lists.Load(); l != nil {
				return float64(l.inFlight.Load())
			}
			return 0
		}),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Batch counts a script call that carried reads.
func (m *Metrics) Batch(reads int) {
	if m != nil {
		m.batch.Observe(float64(reads))
	}
}

// RoundTrip counts a round trip to the store.
func (m *Metrics) RoundTrip(took time.Duration) {
	if m != nil {
		m.roundTrip.Observe(took.Seconds())
	}
}

// Circuit notes that requests begin to fail at once since Redis does not answer, or
// no longer do.
func (m *Metrics) Circuit(open bool) {
	switch {
	case m == nil:
	case open:
		m.circuit.Set(1)
		m.openings.Inc()
	default:
		m.circuit.Set(0)
	}
}

// WatchWritable tells whether the store carries out writes, as writable says. It is
// called once, before the first request.
func (m *Metrics) WatchWritable(writable func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rest_sessions_store_writable", Help: "1 if writes to the store succeed, as far as is known, else 0.",
	}, func() float64 {
		if writable() {
			return 1
		}
		return 0
	}))
}

// CountDropped tells of log lines that were dropped, as dropped counts them. It is
// called once, before the first request.
func (m *Metrics) CountDropped(dropped func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "rest_sessions_log_dropped_total",
		Help: "Lines of the logs, of requests and of the program, that were dropped because nobody took them.",
	}, func() float64 { return float64(dropped()) }))
}

// Evicts notes whether Redis can evict sessions.
func (m *Metrics) Evicts(can bool) {
	switch {
	case m == nil:
	case can:
		m.evicts.Set(1)
	default:
		m.evicts.Set(0)
	}
}

// failed counts an answer that is an error.
func (m *Metrics) failed(e *apiError) {
	if m != nil {
		m.errors.WithLabelValues(e.name).Inc()
	}
}

// served counts a session in an answer.
func (m *Metrics) served() {
	if m != nil {
		m.sessions.Inc()
	}
}

// watch tells of an admission's limit.
func (m *Metrics) watch(a *admission) {
	if m != nil {
		m.admission.Store(a)
	}
}

// watchLists tells of the lists in flight.
func (m *Metrics) watchLists(l *listLimit) {
	if m != nil {
		m.lists.Store(l)
	}
}

// missed counts a token that names no session.
func (m *Metrics) missed() {
	if m != nil {
		m.misses.Inc()
	}
}

// refused counts a request refused for want of access.
func (m *Metrics) refused(reason string) {
	if m != nil {
		m.refusals.WithLabelValues(reason).Inc()
	}
}

// routeMetrics counts the requests of a route.
type routeMetrics struct {
	m    *Metrics
	name string
	ok   prometheus.Observer // status 200, resolved once: most requests are
}

func (m *Metrics) route(name string) routeMetrics {
	if m == nil {
		return routeMetrics{name: name}
	}
	return routeMetrics{m, name, m.duration.WithLabelValues(name, "200")}
}

// start counts a request in.
func (r routeMetrics) start() {
	if r.m != nil {
		r.m.inFlight.Add(1)
	}
}

// end counts the answer to a request.
func (r routeMetrics) end(ctx *fasthttp.RequestCtx, took time.Duration) {
	if r.m == nil {
		return
	}
	r.m.inFlight.Add(-1)
	if status := ctx.Response.StatusCode(); status == fasthttp.StatusOK {
		r.ok.Observe(took.Seconds())
	} else {
		r.m.duration.WithLabelValues(r.name, statusLabel(status)).Observe(took.Seconds())
	}
}

// statusLabel returns the decimals of a status. It does not allocate for 401, which the
// visitors of a site that have no session get.
func statusLabel(status int) string {
	if status == fasthttp.StatusUnauthorized {
		return "401"
	}
	return strconv.Itoa(status)
}

// metricsText answers GET /metrics in Prometheus' text format.
func (a *API) metricsText(ctx *fasthttp.RequestCtx) error {
	families, err := a.metrics.registry.Gather()
	if err != nil {
		return err
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(ctx.Response.BodyWriter(), format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	setHeaders(ctx, string(format))
	return nil
}
