package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Cache is what a cache of sessions says at a scrape. The maps are by reason.
type Cache struct {
	Hits, Evictions, LeasesLost, ReadsLost uint64
	Misses, Refusals                       map[string]uint64
	Sessions                               int
	Oldest                                 time.Duration // of the reads that Redis has not counted
	Lease                                  bool
}

// cacheCollector asks once a scrape.
type cacheCollector struct {
	ask func() Cache

	hits, misses, refusals, evictions, leasesLost, readsLost *prometheus.Desc
	sessions, oldest, lease                                  *prometheus.Desc
}

// cache shows the metrics of a cache of sessions.
func (m *Metrics) cache(ask func() Cache) {
	if ask == nil {
		return
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rest_sessions_cache_"+name, help, labels, nil)
	}
	m.show(&cacheCollector{
		ask:        ask,
		hits:       desc("hits_total", "Reads answered from memory (RS_CACHE)."),
		misses:     desc("misses_total", "Reads that Redis was asked for, with RS_CACHE.", "reason"),
		refusals:   desc("refusals_total", "Answers of Redis that were not kept to be answered again.", "reason"),
		evictions:  desc("evictions_total", "Sessions that RS_CACHE_SESSIONS left no room for."),
		leasesLost: desc("leases_lost_total", "How often what other servers change was not heard for 200 ms."),
		readsLost:  desc("lost_reads_total", "Reads answered from memory that Redis has perhaps not counted."),
		sessions:   desc("sessions", "Sessions in memory (RS_CACHE)."),
		oldest:     desc("oldest_uncounted_seconds", "How long ago the oldest read was answered that Redis has not counted yet."),
		lease:      desc("lease", "1 while what other servers change is heard, so that reads are answered from memory, else 0."),
	})
}

// Describe implements prometheus.Collector.
func (c *cacheCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.hits, c.misses, c.refusals, c.evictions, c.leasesLost, c.readsLost, c.sessions, c.oldest, c.lease} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *cacheCollector) Collect(to chan<- prometheus.Metric) {
	now := c.ask()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	send(c.hits, prometheus.CounterValue, float64(now.Hits))
	for reason, n := range now.Misses {
		send(c.misses, prometheus.CounterValue, float64(n), reason)
	}
	for reason, n := range now.Refusals {
		send(c.refusals, prometheus.CounterValue, float64(n), reason)
	}
	send(c.evictions, prometheus.CounterValue, float64(now.Evictions))
	send(c.leasesLost, prometheus.CounterValue, float64(now.LeasesLost))
	send(c.readsLost, prometheus.CounterValue, float64(now.ReadsLost))
	send(c.sessions, prometheus.GaugeValue, float64(now.Sessions))
	send(c.oldest, prometheus.GaugeValue, now.Oldest.Seconds())
	send(c.lease, prometheus.GaugeValue, number(now.Lease))
}
