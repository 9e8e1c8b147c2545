package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Data counts how the embedded engine writes to the directory of RS_DATA.
type Data struct {
	commit   prometheus.Histogram
	failures prometheus.Counter
}

// Data adds the metrics of RS_DATA. It is called once.
func (m *Metrics) Data() *Data {
	d := &Data{
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rest_sessions_data_commit_seconds", Buckets: secondsBuckets,
			Help: "Time of a commit to the file of RS_DATA, fsync included, be it in vain.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rest_sessions_data_commit_failures_total", Help: "Commits to the file of RS_DATA that failed.",
		}),
	}
	m.show(d.commit, d.failures)
	return d
}

// Commit counts a commit.
func (d *Data) Commit(took time.Duration, err error) {
	d.commit.Observe(took.Seconds())
	if err != nil {
		d.failures.Inc()
	}
}
