package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Redis counts what the engine on Redis does.
type Redis struct {
	batch     prometheus.Histogram
	roundTrip prometheus.Histogram
	circuit   prometheus.Gauge
	openings  prometheus.Counter
	evicts    prometheus.Gauge
	reload    *Reload
}

// Redis adds the metrics of the engine on Redis. It is called once.
func (m *Metrics) Redis() *Redis {
	r := &Redis{
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
		reload: m.Reload(ReloadRedis),
	}
	m.show(r.batch, r.roundTrip, r.circuit, r.openings, r.evicts)
	return r
}

// RoundTrip counts a round trip to Redis.
func (r *Redis) RoundTrip(took time.Duration) {
	r.roundTrip.Observe(took.Seconds())
}

// Batch counts a script call that carried reads.
func (r *Redis) Batch(reads int) {
	r.batch.Observe(float64(reads))
}

// Circuit notes that requests begin to fail at once since Redis does not answer, or
// no longer do.
func (r *Redis) Circuit(open bool) {
	r.circuit.Set(number(open))
	if open {
		r.openings.Inc()
	}
}

// Evicts notes whether Redis can evict sessions.
func (r *Redis) Evicts(can bool) {
	r.evicts.Set(number(can))
}

// Reloaded notes what came of connecting anew on SIGHUP.
func (r *Redis) Reloaded(ok bool) {
	r.reload.Done(ok)
}
