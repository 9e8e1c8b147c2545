// Package metrics counts what the server does, for Prometheus. It knows no routes: who
// counts says what there is by name. Counters are there from the start, with 0, so that
// the first error is an increase. No label holds a token, an id or an app.
package metrics

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Options say what is counted by name.
type Options struct {
	Version string
	// Errors are the names that an error may have, Refusals the reasons for which a
	// request may be refused for want of access.
	Errors, Refusals []string
}

// Metrics are those of a server.
type Metrics struct {
	Version  string
	registry *prometheus.Registry

	requests *prometheus.CounterVec   // by route and status
	duration *prometheus.HistogramVec // by route
	inFlight atomic.Int64
	errors   *prometheus.CounterVec // by name
	refusals *prometheus.CounterVec // by reason
	shed     *prometheus.CounterVec // by reason
	sessions prometheus.Counter
	misses   prometheus.Counter

	keys     *prometheus.CounterVec // requests by key
	keysMu   sync.Mutex
	keyNames []string
}

// New makes metrics that also tell of the Go runtime and the process.
func New(o Options) *Metrics {
	m := &Metrics{Version: o.Version, registry: prometheus.NewRegistry()}
	m.addRequests(o)
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rest_sessions_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": o.Version},
	})
	info.Set(1)
	m.show(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// show registers collectors. One that is there already is left as it is.
func (m *Metrics) show(all ...prometheus.Collector) {
	for _, c := range all {
		err := m.registry.Register(c)
		if _, already := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !already {
			panic(err) // the collector is wrong
		}
	}
}

// gauge shows what value returns at each scrape.
func (m *Metrics) gauge(name, help string, value func() float64) {
	m.show(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// WriteText writes all in Prometheus' text format, and returns its content type.
func (m *Metrics) WriteText(w io.Writer) (contentType string, err error) {
	families, err := m.registry.Gather()
	if err != nil {
		return "", err
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(w, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return "", err
		}
	}
	return string(format), nil
}

func preset(v *prometheus.CounterVec, values []string) {
	for _, value := range values {
		v.WithLabelValues(value)
	}
}

// number is 1 for true and 0 for false.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
