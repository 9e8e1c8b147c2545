package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// oldEnv is the path of an older build of the server, to which writes are compared.
const oldEnv = "OLD"

// BenchmarkGoals measures the built program against the goals that it is held to, and prints
// a table of them. Its ns/op means nothing; run it with -benchtime 1x. scripts/bench builds
// the commit that OLD names:
//
//	OLD=COMMIT BENCH=Goals BENCHTIME=1x scripts/bench
func BenchmarkGoals(b *testing.B) {
	program := buildProgram(b)
	t := &goalTable{}
	b.Run("one-session", func(b *testing.B) { t.oneSession(b, program) })
	b.Run("lone", func(b *testing.B) { t.lone(b, program) })
	b.Run("uniform", func(b *testing.B) { t.uniform(b, program) })
	b.Run("create", func(b *testing.B) {
		t.writes(b, program, "create", func(*site) func(int) request { return create(app) })
	})
	b.Run("set", func(b *testing.B) {
		t.writes(b, program, "set", func(s *site) func(int) request { return set(app, s.tokens, Uniform(sessions)) })
	})
	b.Run("bursts", func(b *testing.B) { t.bursts(b, program) })
	fmt.Println(t)
}

// oneSession has 64 clients read one session, and do the web mix.
func (t *goalTable) oneSession(b *testing.B, program string) {
	s := startGoalSites(b, program, sessions, 1)
	hot := func(s *site) func() figures { return s.slice(b, get(app, s.tokens, Hot)) }
	mixed := func(s *site) func() figures { return s.slice(b, mix(app, s.tokens)) }
	all := inTurn(s.side("hello", hot), s.side("ours", hot), s.side("near", hot), s.side("nginx", hot),
		s.side("ours mix", mixed), s.side("near mix", mixed))
	const what = "get, one session, 64 clients: requests/s against "
	t.add("near "+what+"hello", ">= 0.92", all, "near", "hello", requests)
	t.add(what+"hello", "", all, "ours", "hello", requests)
	t.add(what+"nginx", ">= 2.5", all, "ours", "nginx", requests)
	t.add("web mix: requests/s against get of one session", ">= 0.65", all, "ours mix", "ours", requests)
	t.add("near web mix: the same, both near", ">= 0.85", all, "near mix", "near", requests)
	t.add("near web mix: against get of one session that is not near", "", all, "near mix", "ours", requests)
	t.add("near web mix: against the web mix that is not near", "", all, "near mix", "ours mix", requests)
}

// lone has one client read one session.
func (t *goalTable) lone(b *testing.B, program string) {
	s := startGoalSites(b, program, 1, 1)
	hot := func(s *site) func() figures { return s.lone(b, get(app, s.tokens, Hot)) }
	all := inTurn(s.side("hello", hot), s.side("ours", hot), s.side("near", hot), s.side("nginx", hot))
	const what = "get, lone client: "
	t.add("near "+what+"p50 against hello", "<= 1.5", all, "near", "hello", p50)
	t.add("near "+what+"server CPU against hello", "", all, "near", "hello", serverCPU)
	t.add(what+"p50 against hello", "", all, "ours", "hello", p50)
	t.add(what+"p50 against nginx", "<= 1.0", all, "ours", "nginx", p50)
	t.add(what+"server CPU against hello", "<= 2.5", all, "ours", "hello", serverCPU)
	t.add(what+"server CPU against nginx", "", all, "ours", "nginx", serverCPU)
}

// uniform has 64 clients read 100,000 sessions.
func (t *goalTable) uniform(b *testing.B, program string) {
	s := startGoalSites(b, program, sessions, sessions)
	reads := func(s *site) func() figures { return s.slice(b, get(app, s.tokens, Uniform(sessions))) }
	all := inTurn(s.side("hello", reads), s.side("ours", reads), s.side("near", reads), s.side("nginx", reads))
	const what = "get, 100,000 sessions at random: "
	t.add(what+"server CPU against hello", "<= 1.45", all, "ours", "hello", serverCPU)
	t.add(what+"requests/s against hello", "", all, "ours", "hello", requests)
	t.add(what+"requests/s against nginx", ">= 1.8", all, "ours", "nginx", requests)
	t.add(what+"Redis CPU against nginx", "", all, "ours", "nginx", redisTime)
	t.add("near "+what+"requests/s against not near", "", all, "near", "ours", requests)
	t.add(what+"Redis CPU against naive", "<= 0.32", inTurn(side{"engine", startReaders(b)}, side{"naive", startNaive(b)}),
		"engine", "naive", redisTime)
}

// writes has 64 clients create or set.
func (t *goalTable) writes(b *testing.B, program, what string, requests func(*site) func(client int) request) {
	s := &goalSites{hello: startYard(b), ours: startProgram(b, program, sessions)}
	s.hello.tokens = s.ours.tokens
	if path := os.Getenv(oldEnv); path != "" {
		s.old = startProgram(b, path, sessions)
	}
	run := func(s *site) func() figures { return s.slice(b, requests(s)) }
	all := inTurn(s.side("hello", run), s.side("ours", run), s.side("old", run))
	t.add(what+": server CPU against hello", "<= 1.9", all, "ours", "hello", serverCPU)
	t.add(what+": Redis CPU against before", "<= 0.6", all, "ours", "old", redisTime)
	t.add(what+": server CPU against before", "", all, "ours", "old", serverCPU)
}

// bursts are page views, see burstGets.
func (t *goalTable) bursts(b *testing.B, program string) {
	s := &goalSites{ours: startProgram(b, program, sessions), near: startNear(b, program, sessions)}
	run := func(s *site) func() figures { return s.bursts(b) }
	ours, near := s.side("ours", run), s.side("near", run)
	for range burstPeriods - 1 { // inTurn adds one: then every user has had a page view
		ours.run()
		near.run()
	}
	all := inTurn(ours, near)
	const what = "page views (ten gets in 200 ms, 30 s of silence): "
	t.add(what+"Redis CPU, near against not near", "<= 0.25", all, "near", "ours", redisTime)
	t.add(what+"p50, the same", "", all, "near", "ours", p50)
	t.add(what+"server CPU, the same", "", all, "near", "ours", serverCPU)
}

// goalSites are the servers of a group of rows. nil is one that is not there.
type goalSites struct{ hello, ours, near, nginx, old *site }

// startGoalSites starts all but the old one, with so many sessions.
func startGoalSites(b *testing.B, program string, n, ofPeer int) *goalSites {
	s := &goalSites{hello: startYard(b), ours: startProgram(b, program, n), near: startNear(b, program, n), nginx: startPeer(b, ofPeer)}
	s.hello.tokens = s.ours.tokens
	return s
}

// side makes a side of one of the sites: name begins with which.
func (s *goalSites) side(name string, run func(*site) func() figures) side {
	which, _, _ := strings.Cut(name, " ")
	at := map[string]*site{"hello": s.hello, "ours": s.ours, "near": s.near, "nginx": s.nginx, "old": s.old}[which]
	if at == nil {
		return side{name: name}
	}
	return side{name, run(at)}
}

// startNear starts the program with near reads.
func startNear(b *testing.B, program string, n int) *site {
	return startProgram(b, program, n, "RS_CACHE="+nearFor.String())
}
