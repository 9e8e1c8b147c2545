package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What SIGHUP may take up.
const (
	ReloadKeys        = "keys"
	ReloadCertificate = "certificate"
	ReloadRedis       = "redis"
	ReloadLogIDs      = "log_ids"
)

// Reload tells of what is read again on SIGHUP.
type Reload struct{ successful, last prometheus.Gauge }

// Reload adds what. It has been read just now, at the start.
func (m *Metrics) Reload(what string) *Reload {
	labels := prometheus.Labels{"what": what}
	r := &Reload{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rest_sessions_last_reload_successful", ConstLabels: labels,
			Help: "1 if the last reload (SIGHUP) took it up, or there was none; 0 if it failed and what was before goes on.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rest_sessions_last_reload_success_timestamp_seconds", ConstLabels: labels,
			Help: "When it was last taken up, at the start or by a reload, in Unix seconds.",
		}),
	}
	m.show(r.successful, r.last)
	r.Done(true)
	return r
}

// Done notes a reload.
func (r *Reload) Done(ok bool) {
	r.successful.Set(number(ok))
	if ok {
		r.last.Set(seconds(time.Now()))
	}
}
