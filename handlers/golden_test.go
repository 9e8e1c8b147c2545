package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rest-sessions/internal/redistest"
	"rest-sessions/store"
	"rest-sessions/store/embedded"
	"rest-sessions/store/redis"
)

// step is a request to the original and what it answered, or a pause.
type step struct {
	Sleep     float64
	Method    string
	Path      string
	Body      json.RawMessage
	Bind      string
	Status    int
	Type      string
	Reply     string
	Unordered bool
	// Ours is what we answer where we differ on purpose.
	Ours *struct {
		Status int
		Body   json.RawMessage
		Name   string
	}
}

type scenario struct {
	Scenario string
	Steps    []step
}

func goldenScenarios(t *testing.T) []scenario {
	t.Helper()
	file, err := os.ReadFile("testdata/rest-sessions-2.0.1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	for line := range bytes.Lines(file) {
		var s scenario
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// goldenSteps is how many requests the file has, so that none gets lost on the
// way.
const goldenSteps = 144

// TestGoldenRedis replays what the original answered, on Redis.
func TestGoldenRedis(t *testing.T) {
	t.Parallel() // beside TestGoldenCluster, since both wait
	server := redistest.Start(t)
	replayRedis(t, server, server.Clock)
}

// TestGoldenCluster replays it on a Redis Cluster.
func TestGoldenCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, false)
	replayRedis(t, cluster.Masters[0], cluster.Clock)
}

// replayRedis replays it on server, or on the cluster that it is a node of, in a namespace
// and by a clock of its own for each scenario. TestServerClock proves the real clock.
func replayRedis(t *testing.T, server *redistest.Server, newClock func(testing.TB, string) (string, func(now int64))) {
	var namespaces atomic.Int64
	replayAll(t, func(t *testing.T) (*site, func(float64)) {
		namespace := fmt.Sprintf("golden%d", namespaces.Add(1))
		expression, set := newClock(t, namespace)
		milliseconds := goldenStart
		set(milliseconds / 1000)
		s, err := redis.Open(redis.Options{
			Host: "127.0.0.1", Port: server.Port(), Namespace: namespace, Timeout: 10 * time.Second, DialTimeout: 10 * time.Second, Logf: t.Logf, Clock: expression,
		})
		if err != nil {
			t.Fatal(err)
		}
		return serve(t, s), func(seconds float64) {
			milliseconds += int64(seconds * 1000)
			set(milliseconds / 1000)
		}
	})
}

// goldenStart is when each scenario begins, in Unix milliseconds.
const goldenStart int64 = 1_700_000_000_000

// TestGoldenEmbedded replays it on the embedded engine, whose clock can be moved.
func TestGoldenEmbedded(t *testing.T) {
	replayEmbedded(t, func(_ *testing.T, o embedded.Options) *embedded.Store { return embedded.New(o) })
}

// TestGoldenOnDisk replays it on the embedded engine with a directory.
func TestGoldenOnDisk(t *testing.T) {
	replayEmbedded(t, func(t *testing.T, o embedded.Options) *embedded.Store {
		o.Dir, o.Logf = t.TempDir(), t.Logf
		s, err := embedded.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func replayEmbedded(t *testing.T, open func(*testing.T, embedded.Options) *embedded.Store) {
	replayAll(t, func(t *testing.T) (*site, func(float64)) {
		var milliseconds atomic.Int64
		milliseconds.Store(goldenStart)
		w := serve(t, open(t, embedded.Options{Now: func() int64 { return milliseconds.Load() / 1000 }}))
		return w, func(seconds float64) { milliseconds.Add(int64(seconds * 1000)) }
	})
}

// replayAll replays each scenario; start returns the server for one and how to
// let time pass.
func replayAll(t *testing.T, start func(*testing.T) (*site, func(float64))) {
	var replayed atomic.Int64
	t.Run("scenarios", func(t *testing.T) {
		for _, s := range goldenScenarios(t) {
			t.Run(s.Scenario, func(t *testing.T) {
				t.Parallel()
				w, sleep := start(t)
				r := replay{site: w, tokens: map[string]string{}}
				for i, step := range s.Steps {
					if step.Sleep > 0 {
						sleep(step.Sleep)
						continue
					}
					replayed.Add(1)
					if problem := r.step(step); problem != "" {
						t.Errorf("step %d, %s %s: %s", i+1, step.Method, step.Path, problem)
					}
				}
			})
		}
	})
	if replayed.Load() != goldenSteps {
		t.Errorf("%d steps were replayed, not %d", replayed.Load(), goldenSteps)
	}
}

// replay is a scenario on its way.
type replay struct {
	*site
	tokens map[string]string // by the name that the file has for it
}

// step replays a step and says what differs.
func (r *replay) step(s step) string {
	path, wantBody := s.Path, s.Reply
	for name, token := range r.tokens {
		path = strings.ReplaceAll(path, "{"+name+"}", token)
		wantBody = strings.ReplaceAll(wantBody, "{"+name+"}", token)
	}
	body := string(s.Body)
	var text string
	if json.Unmarshal(s.Body, &text) == nil && len(s.Body) > 0 {
		body = text // a string stands for the very bytes of the body
	}
	a := r.do(s.Method, path, body)

	wantStatus := s.Status
	if s.Ours != nil {
		wantStatus, wantBody = s.Ours.Status, string(s.Ours.Body)
	}
	if a.status != wantStatus {
		return fmt.Sprintf("status %d, not %d: %s", a.status, wantStatus, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		return "Content-Type " + got
	}
	if s.Ours != nil && s.Ours.Name != "" {
		var e struct{ Name, Message string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Name != s.Ours.Name || e.Message == "" {
			return fmt.Sprintf("answered %s, not the error %s", a.body, s.Ours.Name)
		}
		return ""
	}
	if wantBody == "PONG" {
		if a.body != wantBody {
			return fmt.Sprintf("answered %s", a.body)
		}
		return ""
	}
	got, want := ordered(a.body), ordered(wantBody)
	if token, ok := got.(object).get("token").(string); ok && store.ValidToken(token) {
		if s.Bind != "" {
			r.tokens[s.Bind] = token
		}
		if want.(object).get("token") == nil {
			return fmt.Sprintf("answered %s, not %s", a.body, wantBody)
		}
		return ""
	}
	if !same(got, want, s.Unordered) {
		return fmt.Sprintf("answered %s, not %s", a.body, wantBody)
	}
	return ""
}

// object is a JSON object with its keys in order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) get(key string) any {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// ordered decodes a JSON text, with objects as object and all numbers as float64.
// A text that is none is an error value, which is the same as nothing.
func ordered(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	v, err := orderedValue(d)
	if err != nil {
		return object{{"error", math.NaN()}}
	}
	return v
}

func orderedValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			o = append(o, member{key.(string), v})
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return t, nil
}

// same compares two values: objects in order, idle to within 1 second, and lists
// as sets if they are unordered.
func same(a, b any, unordered bool) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		return ok && slices.EqualFunc(a, b, func(x, y member) bool {
			if x.key != y.key {
				return false
			}
			if x.key == "idle" {
				i, ok1 := x.value.(float64)
				j, ok2 := y.value.(float64)
				return ok1 && ok2 && math.Abs(i-j) <= 1
			}
			return same(x.value, y.value, unordered)
		})
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		left := slices.Clone(b)
		for _, x := range a {
			j := 0
			if unordered {
				j = slices.IndexFunc(left, func(y any) bool { return same(x, y, unordered) })
			}
			if j < 0 || !same(x, left[j], unordered) {
				return false
			}
			left = slices.Delete(left, j, j+1)
		}
		return true
	default:
		return a == b
	}
}

// TestSame shows that the comparison of the replay can fail.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b      string
		unordered bool
		want      bool
	}{
		{`{"a":1}`, `{"a":1.0}`, false, true},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, true, false},
		{`{"idle":5}`, `{"idle":6}`, false, true},
		{`{"idle":5}`, `{"idle":7}`, false, false},
		{`{"r":5}`, `{"r":6}`, false, false},
		{`[1,2]`, `[2,1]`, false, false},
		{`[1,2]`, `[2,1]`, true, true},
		{`[1,1]`, `[1,2]`, true, false},
		{`[{"a":1},{"a":2}]`, `[{"a":2},{"a":1}]`, true, true},
		{`{"a":`, `{"a":`, false, false},
		{`{}`, `{"a":1}`, false, false},
	} {
		if got := same(ordered(c.a), ordered(c.b), c.unordered); got != c.want {
			t.Errorf("same(%s, %s, %s) is %v", c.a, c.b, strconv.FormatBool(c.unordered), got)
		}
	}
}
