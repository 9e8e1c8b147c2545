package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are asked at each scrape. What is nil has no metric. They may be called by
// several goroutines at once.
type Sources struct {
	// InFlightLimit is how many requests may be in flight to the store now.
	InFlightLimit func() int
	// Lists is how many lists are in flight, ListLimit how many may be.
	Lists, ListLimit func() int
	// Connections is how many are open, ConnectionLimit how many may be.
	Connections, ConnectionLimit func() int
	// Up tells whether the store can be used, Writable whether it carries out writes,
	// as far as is known.
	Up, Writable func() bool
	// Dropped counts lines of the logs that were dropped.
	Dropped func() uint64
	// Sessions is how many sessions the embedded engine holds.
	Sessions func() int
	// DataSize is how many bytes the file of RS_DATA has.
	DataSize func() int64
	// Certificate is when the certificate that is served ends, RedisCertificate the
	// one that Redis is shown.
	Certificate, RedisCertificate func() time.Time
	// Cache is what RS_CACHE keeps.
	Cache func() Cache
}

// Watch adds the metrics of sources. Of two for one metric, the first counts.
func (m *Metrics) Watch(s Sources) {
	m.integer("rest_sessions_in_flight_limit", "How many requests may be in flight to the store, now.", s.InFlightLimit)
	m.integer("rest_sessions_lists_in_flight", "Lists (soapp and soid) that are read from the store or streamed.", s.Lists)
	m.integer("rest_sessions_lists_limit", "How many lists may be in flight at once.", s.ListLimit)
	m.integer("rest_sessions_connections", "Connections of clients that are open.", s.Connections)
	m.integer("rest_sessions_connections_limit", "How many connections may be open at once.", s.ConnectionLimit)
	m.flag("rest_sessions_store_up", "1 if Redis can be used, as far as is known, else 0.", s.Up)
	m.flag("rest_sessions_store_writable", "1 if writes to the store succeed, as far as is known, else 0.", s.Writable)
	m.integer("rest_sessions_embedded_sessions", "Sessions in the embedded engine, expired ones that are not wiped yet included.", s.Sessions)
	if dropped := s.Dropped; dropped != nil {
		m.show(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "rest_sessions_log_dropped_total",
			Help: "Lines of the logs, of requests and of the program, that were dropped because nobody read them.",
		}, func() float64 { return float64(dropped()) }))
	}
	if size := s.DataSize; size != nil {
		m.gauge("rest_sessions_data_file_bytes", "Size of the file of RS_DATA.", func() float64 { return float64(size()) })
	}
	m.end("server", s.Certificate)
	m.end("redis_client", s.RedisCertificate)
	m.cache(s.Cache)
}

func (m *Metrics) integer(name, help string, value func() int) {
	if value != nil {
		m.gauge(name, help, func() float64 { return float64(value()) })
	}
}

func (m *Metrics) flag(name, help string, value func() bool) {
	if value != nil {
		m.gauge(name, help, func() float64 { return number(value()) })
	}
}

// end shows when a certificate ends.
func (m *Metrics) end(which string, of func() time.Time) {
	if of != nil {
		m.show(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rest_sessions_certificate_expiry_timestamp_seconds", Help: "When a certificate ends, in Unix seconds.",
			ConstLabels: prometheus.Labels{"certificate": which},
		}, func() float64 { return seconds(of()) }))
	}
}

// seconds returns a time in Unix seconds, 0 for the zero Time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
