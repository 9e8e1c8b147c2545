package metrics

import "github.com/prometheus/client_golang/prometheus"

// Counter is what a caller keeps so as not to look it up at each event.
type Counter = prometheus.Counter

// Keys returns the counters of requests with API keys of these names, all of which are
// in the configuration: so their number is bounded. Those of other names go.
func (m *Metrics) Keys(names []string) map[string]Counter {
	counters := make(map[string]Counter, len(names))
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	for _, name := range names {
		counters[name] = m.keys.WithLabelValues(name)
	}
	for _, name := range m.keyNames {
		if counters[name] == nil {
			m.keys.DeleteLabelValues(name)
		}
	}
	m.keyNames = names
	return counters
}
