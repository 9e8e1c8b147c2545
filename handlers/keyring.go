package handlers

import (
	"rest-sessions/handlers/apikey"
	"rest-sessions/handlers/metrics"
)

// keyring is the API keys, and a counter for each. A nil *keyring has none.
type keyring struct {
	keys     *apikey.Set
	requests map[*apikey.Key]metrics.Counter
}

// set returns the keys, nil for none.
func (r *keyring) set() *apikey.Set {
	if r == nil {
		return nil
	}
	return r.keys
}

// newKeyring returns nil if keys is. Keys that m counted before and that are not among
// these lose their counters; the others go on.
func newKeyring(keys *apikey.Set, m *metrics.Metrics) *keyring {
	var names []string
	if keys != nil {
		for k := range keys.All() {
			names = append(names, k.Name)
		}
	}
	counters := m.Keys(names)
	if keys == nil {
		return nil
	}
	r := &keyring{keys, make(map[*apikey.Key]metrics.Counter, keys.Len())}
	for k := range keys.All() {
		r.requests[k] = counters[k.Name]
	}
	return r
}

// count counts a request with a key of the ring; nil, or a key of another ring, it does
// not. It does not allocate.
func (r *keyring) count(key *apikey.Key) {
	if r == nil || key == nil {
		return
	}
	if c := r.requests[key]; c != nil {
		c.Inc()
	}
}
