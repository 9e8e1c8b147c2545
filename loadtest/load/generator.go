package load

import (
	"math/rand"
	"sync"

	"rest-sessions/loadtest/model"
)

const (
	// probeEvery: one get or set in so many goes to a session that was killed.
	probeEvery = 50
	// zipfExponent makes the hottest of 10,000 sessions get a tenth of the reads:
	// a site's busy users and its crawlers.
	zipfExponent = 1.1
)

// Generator chooses requests. Equal seeds give every server the same sequence of
// kinds and ranks.
type Generator struct {
	model *model.Model
	mix   Mix
	sum   int
	users int

	mu     sync.Mutex
	random *rand.Rand
	zipf   *rand.Zipf // nil: uniform
}

// NewGenerator makes a generator of requests to the server that m knows.
func NewGenerator(m *model.Model, c *Config, seed int64) *Generator {
	g := &Generator{model: m, mix: c.Mix, sum: c.Mix.sum(), users: c.users(), random: rand.New(rand.NewSource(seed))}
	if c.Zipf {
		g.zipf = rand.NewZipf(g.random, zipfExponent, 1, uint64(c.Sessions-1))
	}
	return g
}

// Next makes a request. It is nil only if no session is left and the mix makes none.
func (g *Generator) Next() *model.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := g.mix.at(g.random.Intn(g.sum))
	var r *model.Request
	switch kind {
	case model.Get:
		if g.random.Intn(probeEvery) == 0 {
			r = g.model.GetDead(g.random.Intn)
		}
		if r == nil {
			r = g.model.Get(g.rank)
		}
	case model.Set:
		if g.random.Intn(probeEvery) == 0 {
			r = g.model.SetDead(g.random.Intn)
		}
		if r == nil {
			r = g.model.Set(g.rank)
		}
	case model.Kill:
		r = g.model.Kill(g.random.Intn)
	case model.List:
		// Uniform, as create: a hot user would have ever more sessions to list.
		r = g.model.List(g.random.Intn)
	}
	if r == nil && (kind == model.Create || g.mix[model.Create] > 0) {
		r = g.model.Create(model.UserID(g.random.Intn(g.users)))
	}
	return r
}

// rank picks one of n sessions, hot ones more often.
func (g *Generator) rank(n int) int {
	if g.zipf == nil {
		return g.random.Intn(n)
	}
	return int(g.zipf.Uint64()) % n
}
