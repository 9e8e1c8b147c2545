package storetest

import (
	"fmt"
	"strings"
	"unsafe"

	"rest-sessions/store"
)

// lender hands out strings whose memory it takes back, as an HTTP server does
// with what it parsed from a connection's buffer.
type lender struct{ lent [][]byte }

func (l *lender) lend(s string) string {
	b := []byte(s)
	l.lent = append(l.lent, b)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (l *lender) data(d store.Data) store.Data {
	lent := make(store.Data, len(d))
	for i, f := range d {
		lent[i] = store.Field{Key: l.lend(f.Key), Value: l.lend(f.Value)}
	}
	return lent
}

// takeBack overwrites what was lent.
func (l *lender) takeBack() {
	for _, b := range l.lent {
		for i := range b {
			b[i] = '#'
		}
	}
	l.lent = nil
}

// What is passed in may change once the call has returned.
func testArgumentsAreCopied(s *suite) {
	var l lender
	const n = 20
	tokens := make([]string, n)
	id := func(i int) string { return fmt.Sprint("user:", i/2) }
	for i := range tokens {
		tokens[i] = store.NewToken(id(i))
		d := data(`"first"`, fmt.Sprint(i))
		_, err := s.store.Create(s.ctx, l.lend("app"), l.lend(tokens[i]),
			store.New{ID: l.lend(id(i)), IP: l.lend("10.0.0.1"), TTL: 100, Data: l.data(d)})
		l.takeBack()
		if err != nil {
			s.Fatal(err)
		}
	}
	for round := range 3 {
		s.clock.Advance(61)
		for i, token := range tokens {
			change := data(fmt.Sprintf(`"k%d"`, round), fmt.Sprintf(`"%d"`, i), `"last"`, fmt.Sprint(round))
			_, err := s.store.Set(s.ctx, l.lend("app"), l.lend(token), l.data(change))
			l.takeBack()
			if err != nil {
				s.Fatalf("round %d: Set: %v", round, err)
			}
			_, err = s.store.Get(s.ctx, l.lend("app"), l.lend(token))
			l.takeBack()
			if err != nil {
				s.Fatalf("round %d: Get: %v", round, err)
			}
		}
		for i, token := range tokens {
			w := int64(2*round + 2)
			_, err := s.store.SetIf(s.ctx, l.lend("app"), l.lend(token), w, l.data(data(`"w"`, fmt.Sprint(w))))
			l.takeBack()
			if err != nil {
				s.Fatalf("round %d: SetIf: %v", round, err)
			}
			_, err = s.store.Touch(s.ctx, l.lend("app"), l.lend(token), 100, 1000)
			l.takeBack()
			if err != nil {
				s.Fatalf("round %d: Touch: %v", round, err)
			}
			tokens[i] = store.NewToken(id(i))
			_, err = s.store.Move(s.ctx, l.lend("app"), l.lend(token), l.lend(tokens[i]),
				store.Move{ID: l.lend(id(i)), IP: l.lend("10.0.0.1")})
			l.takeBack()
			if err != nil {
				s.Fatalf("round %d: Move: %v", round, err)
			}
		}
		for _, want := range []struct {
			sessions int
			list     store.List
		}{
			{n, s.store.SessionsOfApp(s.ctx, l.lend("app"), 10)},
			{2, s.store.SessionsOfID(s.ctx, l.lend("app"), l.lend(id(0)))},
		} {
			l.takeBack()
			if list := s.all("a list", want.list); len(list) != want.sessions {
				s.Errorf("round %d: listed %d sessions, want %d", round, len(list), want.sessions)
			}
		}
	}
	for i, token := range tokens {
		s.want(s.get("app", token), store.Session{
			ID: id(i), IP: "10.0.0.1", R: 4, W: 7, TTL: 100,
			D: fmt.Sprintf(`{"first":%d,"k0":"%[1]d","last":2,"w":6,"k1":"%[1]d","k2":"%[1]d"}`, i),
		})
	}
	s.wantActivity(l.lend("app"), 10, n/2)
	l.takeBack()
	if !s.kill(l.lend("app"), l.lend(tokens[0])) {
		s.Error("Kill found no session")
	}
	l.takeBack()
	s.wantKillID(l.lend("app"), l.lend(id(2)), 2)
	l.takeBack()
	s.wantActivity("app", forever, n/2-1)
	s.clock.Advance(1000)
	s.wantWipe(n - 3)
	s.wantKillApp(l.lend("app"), 0)
}

// What is answered belongs to whoever has it and stays as it is.
func testAnswersStay(s *suite) {
	const n = 30
	var tokens []string
	for i := range n {
		tokens = append(tokens, s.create("app", store.New{ID: fmt.Sprint("user", i), Data: data(`"a"`, `"first"`)}))
	}
	var kept, copies []store.Session
	keep := func(session store.Session) {
		kept = append(kept, session)
		session.ID, session.IP, session.D =
			strings.Clone(session.ID), strings.Clone(session.IP), strings.Clone(session.D)
		session.First = strings.Clone(session.First)
		copies = append(copies, session)
	}
	for i, token := range tokens {
		keep(s.get("app", token))
		keep(s.set("app", token, data(`"a"`, `"later"`, `"b"`, fmt.Sprint(i))))
		keep(s.setIf("app", token, 2, data(`"c"`, `"once more"`)))
		keep(s.conflict("app", token, 2))
		keep(s.getWith("app", token))
		keep(s.peek("app", token))
		keep(s.touch("app", token, 5000, 0))
	}
	for _, session := range s.ofApp("app", forever) {
		keep(session)
	}
	for _, session := range s.ofID("app", "user3") {
		keep(session)
	}
	for i, token := range tokens {
		s.set("app", token, data(`"a"`, `"x"`, `"b"`, `null`))
		switch i % 3 {
		case 0:
			s.kill("app", token)
		case 1:
			s.wantKillID("app", fmt.Sprint("user", i), 1)
		}
	}
	s.clock.Advance(forever)
	s.wantWipe(n / 3)
	for range n {
		s.create("app", store.New{ID: "another", IP: "9.9.9.9", Data: data(`"z"`, `"zzzzz"`)})
	}
	for i := range kept {
		s.want(kept[i], copies[i])
	}
}
