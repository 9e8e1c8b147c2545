// Package bench measures the engines and the server: go test -bench . ./bench.
//
// Every figure that means something is a ratio to a yardstick, taken in one run,
// since machines differ and are noisy: hello is a handler that answers a constant
// body, naive is the original's sequence of Redis commands, and nginx with Lua runs
// get.lua for each request.
package bench

import (
	"math/rand/v2"
)

// Op is what a step of a workload does.
type Op int

// The operations of a web tier.
const (
	Get Op = iota
	Set
	Create
	Kill
	SoID
	Activity
)

// String returns the operation's route.
func (o Op) String() string {
	return [...]string{"get", "set", "create", "kill", "soid", "activity"}[o]
}

// Mix draws the operations of a web tier: of 100, 90 are a get, 6 a set, 2 a
// create, 1 a kill and 1 a soid.
func Mix(r *rand.Rand) Op {
	switch n := r.IntN(100); {
	case n < 90:
		return Get
	case n < 96:
		return Set
	case n < 98:
		return Create
	case n < 99:
		return Kill
	default:
		return SoID
	}
}

// Keys draws one of the sessions by number. It is for one goroutine.
type Keys func() int

// KeysOf makes the Keys of a goroutine from its source of randomness.
type KeysOf func(r *rand.Rand) Keys

// Hot draws the first session always.
func Hot(*rand.Rand) Keys { return func() int { return 0 } }

// Uniform draws each of n sessions alike.
func Uniform(n int) KeysOf {
	return func(r *rand.Rand) Keys { return func() int { return r.IntN(n) } }
}

// Zipf draws from n sessions as visits to a site fall on its users: a few come all
// the time. The exponent of 1.1 is the usual one for web traffic.
func Zipf(n int) KeysOf {
	return func(r *rand.Rand) Keys {
		z := rand.NewZipf(r, 1.1, 1, uint64(n-1))
		return func() int { return int(z.Uint64()) }
	}
}
