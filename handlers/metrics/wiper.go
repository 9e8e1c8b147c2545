package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Wiper counts what a store.Wiper does.
type Wiper struct {
	runs, failures, removed prometheus.Counter
	success                 prometheus.Gauge
}

// Wiper adds the metrics of a wiper that runs once in every. It is called once.
func (m *Metrics) Wiper(every time.Duration) *Wiper {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.show(c)
		return c
	}
	w := &Wiper{
		runs:     counter("rest_sessions_wiper_runs_total", "Wipes of expired sessions that have ended, failed ones included."),
		failures: counter("rest_sessions_wiper_failures_total", "Wipes that failed."),
		removed:  counter("rest_sessions_wiper_removed_sessions_total", "Sessions that wipes have removed."),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rest_sessions_wiper_last_success_timestamp_seconds", Help: "When the last wipe succeeded, in Unix seconds; before the first, when the wiper started.",
		}),
	}
	w.success.Set(seconds(time.Now()))
	m.show(w.success)
	m.gauge("rest_sessions_wiper_interval_seconds", "Mean time from one wipe to the next (RS_WIPE).", every.Seconds)
	return w
}

// Wiped counts a wipe.
func (w *Wiper) Wiped(removed int64, err error) {
	w.runs.Inc()
	w.removed.Add(float64(removed))
	if err != nil {
		w.failures.Inc()
		return
	}
	w.success.Set(seconds(time.Now()))
}
