package load

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"rest-sessions/loadtest/model"
)

// config is a short run. Many kills and lists, as half a second has few requests.
func config(t *testing.T, urls ...string) *Config {
	c := &Config{
		Rates: []int{600}, Duration: 600 * time.Millisecond, Rounds: 2, Sessions: 60,
		Mix:  Mix{model.Get: 60, model.Set: 20, model.Create: 10, model.Kill: 5, model.List: 5},
		Zipf: true, Seed: 1, Timeout: 2 * time.Second, Workers: 64, Log: t.Logf,
	}
	for i, url := range urls {
		c.Targets = append(c.Targets, Target{Name: fmt.Sprint("server", i), URL: url, Check: true})
	}
	return c
}

func failures(s *Server) (failed, wrong int, all string) {
	tallies := []*Tally{&s.Prefill.Tally, &s.Audit.Tally, &s.Cleanup.Tally}
	for _, step := range s.Steps {
		tallies = append(tallies, &step.Tally)
	}
	for _, tally := range tallies {
		failed += tally.Failed()
		wrong += tally.Wrong
		all += strings.Join(tally.Examples, "\n") + fmt.Sprintln(tally.Errors)
	}
	return failed, wrong, all
}

func TestLiesAreFoundOut(t *testing.T) {
	for l, reason := range map[lie]string{
		wrongID:      "not of",
		lostUpdate:   "a write was lost",
		resurrection: "acknowledged to be gone",
		loggedOut:    "nobody killed",
		htmlPage:     "not the JSON",
		lostRead:     "reads were lost",
		doubleRead:   "counted twice",
		sharedToken:  "another session has",
		shortList:    "is not listed",
		foreignList:  "is not one of",
		killOfNone:   "kill must be 1",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			// A fake lies now and then. On a machine that is short of CPU one run may
			// have too few requests to meet it.
			var said string
			for range 6 {
				servers, err := Run(t.Context(), config(t, newFake(t, l).URL))
				if err != nil {
					t.Fatal(err)
				}
				_, wrong, all := failures(servers[0])
				if wrong > 0 && strings.Contains(all, reason) {
					return
				}
				said = fmt.Sprintf("%d wrong answers, want some with %q:\n%s", wrong, reason, all)
			}
			t.Error(said)
		})
	}
}

func TestFailuresAreNotHeldToBeWrong(t *testing.T) {
	for l, reason := range map[lie]string{noAnswer: "EOF", serverError: "get: status 503"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			servers, err := Run(t.Context(), config(t, newFake(t, l).URL))
			if err != nil {
				t.Fatal(err)
			}
			if failed, wrong, all := failures(servers[0]); failed == 0 || wrong > 0 || !strings.Contains(all, reason) {
				t.Errorf("%d failed, %d wrong, want %q:\n%s", failed, wrong, reason, all)
			}
		})
	}
}

func TestHonestServersInTurn(t *testing.T) {
	c := config(t, newFake(t, honest).URL, newFake(t, honest).URL)
	c.Rates = []int{300, 600}
	c.Warmup = 100 * time.Millisecond
	servers, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if failed, _, all := failures(s); failed > 0 {
			t.Errorf("%s: %s", s.Name, all)
		}
		if s.Audit.Requests < c.Sessions/2 {
			t.Errorf("only %d sessions were read at the end", s.Audit.Requests)
		}
		for i, step := range s.Steps {
			if step.Rate != c.Rates[i] || len(step.Turns) != c.Rounds {
				t.Errorf("%s: step of %d/s has %d turns", s.Name, step.Rate, len(step.Turns))
			}
			want := float64(step.Rate) * c.Duration.Seconds()
			if n := float64(len(step.All)); n < want*0.05 || n > want*1.3 {
				t.Errorf("%s: %v requests timed at %d/s, want about %v", s.Name, n, step.Rate, want)
			}
			if timed := len(step.All); step.Requests <= timed {
				t.Errorf("%s: the warm-up is timed: %d of %d", s.Name, timed, step.Requests)
			}
			if step.Right != len(step.All) {
				t.Errorf("%s: %d right of %d", s.Name, step.Right, len(step.All))
			}
			if in, out := step.Bytes(); in == 0 || out == 0 {
				t.Errorf("%s: %d bytes in, %d out", s.Name, in, out)
			}
		}
	}
}

func TestYardstickIsNotChecked(t *testing.T) {
	c := config(t, newFake(t, htmlPage).URL)
	c.Targets[0].Check = false
	servers, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if failed, _, all := failures(servers[0]); failed > 0 || servers[0].Prefill.Requests+servers[0].Audit.Requests > 0 {
		t.Errorf("%d failed: %s", failed, all)
	}
	if servers[0].Steps[0].Right == 0 {
		t.Error("nothing was measured")
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c := config(t, newFake(t, honest).URL)
	c.Duration = time.Hour
	began := time.Now()
	servers, err := Run(ctx, c)
	if err == nil || time.Since(began) > time.Minute {
		t.Errorf("ended with %v after %v", err, time.Since(began))
	}
	if servers[0].Cleanup.Requests != 1 {
		t.Error("sessions are left behind")
	}
}

func TestNobodyThere(t *testing.T) {
	if _, err := Run(t.Context(), config(t, "http://127.0.0.1:1")); err == nil {
		t.Error("no error")
	}
}

func TestMix(t *testing.T) {
	var m Mix
	if err := m.Set("get=90,set=10"); err != nil || m.String() != "get=90,set=10" || m.sum() != 100 {
		t.Errorf("%v, %v", m, err)
	}
	if m.at(0) != model.Get || m.at(89) != model.Get || m.at(90) != model.Set {
		t.Error("shares are not kept")
	}
	for _, bad := range []string{"", "get", "get=x", "get=-1", "put=1", "get=0", "get=1,,set=1"} {
		if m.Set(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"http://127.0.0.1:3000":               {"127.0.0.1:3000", "http://127.0.0.1:3000", true},
		"old=http://host:1/":                  {"old", "http://host:1", true},
		"hello=https://host/below/,check=off": {"hello", "https://host/below", false},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "host:3000", "ftp://host", "http://", "http://h?x=1", "http://h,check=no", "http://h#x"} {
		if got, err := ParseTarget(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestFailureClass(t *testing.T) {
	for text, want := range map[string]string{
		`Get "http://127.0.0.1:1/a/get/b": dial tcp 127.0.0.1:1: connect: connection refused`:  "Get: dial tcp: connect: connection refused",
		`Get "http://h/": read tcp 127.0.0.1:34->127.0.0.1:35: read: connection reset by peer`: "Get: read tcp: read: connection reset by peer",
	} {
		if got := failureClass(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
