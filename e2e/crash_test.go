package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var crashes = flag.Int("crashes", 4, "how often TestCrash kills the server; scripts/crash takes 20")

const (
	crashWriters = 16
	// readsFollow is how long after it was answered a read may be lost: a second,
	// and some time for a machine that has other things to do.
	readsFollow = 4 * time.Second
	// checks is after how many crashes a session that was ended is asked for.
	checks = 3
)

// TestCrash kills a server with RS_DATA by SIGKILL, again and again, while many
// clients write, and starts another on what it left. Nothing that was acknowledged
// may be missing, and nothing come back that was acknowledged to be gone.
func TestCrash(t *testing.T) {
	m := &model{t: t, rnd: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))}
	dir := filepath.Join(t.TempDir(), "data")
	for crash := 1; crash <= *crashes; crash++ {
		m.killAtStart(dir)
		began := time.Now()
		p := start(t, "RS_DATA="+dir)
		started := time.Since(began)
		m.url = p.url
		live, gone := m.verify()
		lasts := 100*time.Millisecond + time.Duration(m.rnd.IntN(500))*time.Millisecond
		if crash%4 == 0 {
			lasts += readsFollow // so that some reads are old enough
		}
		acknowledged := m.load(p, lasts)
		info, err := os.Stat(filepath.Join(dir, "sessions.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("crash %d: start %v, %d live sessions and %d ended ones as they should be, then %d writes acknowledged, file %d KiB",
			crash, started.Round(time.Millisecond), live, gone, acknowledged, info.Size()>>10)
	}
	p := start(t, "RS_DATA="+dir)
	m.url = p.url
	live, gone := m.verify()
	t.Logf("after %d crashes: %d live sessions and %d ended ones checked; %d writes acknowledged, %d lost, %d sessions resurrected",
		*crashes, live, gone, m.acknowledged, m.lost, m.resurrected)
	if m.reads == 0 && *crashes >= 4 {
		t.Error("no read was old enough to be looked for")
	}
}

// killAtStart kills a server while it starts.
func (m *model) killAtStart(dir string) {
	p := command(m.t, nil, "RS_HOST=127.0.0.1", "RS_PORT=0", "RS_DATA="+dir)
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	time.Sleep(time.Duration(m.rnd.IntN(60)) * time.Millisecond)
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// model is what clients know: that a write was acknowledged, or sent and not
// answered.
type model struct {
	t   *testing.T
	rnd *rand.Rand
	url string

	mu       sync.Mutex
	sessions []*crashSession
	next     int // the number in the next user's id

	killed       time.Time // when the server was, last
	acknowledged int64
	reads        int // those that were old enough to be looked for
	lost         int
	resurrected  int
}

// crashSession is one session, which one client at a time writes to.
type crashSession struct {
	app, id, token string
	// sets is how many sets are acknowledged; trying is whether one more was sent.
	sets   int
	trying bool
	// gone and going are whether its end was acknowledged, and sent.
	gone, going bool
	checks      int         // how often it was looked for since it was gone
	reads       []time.Time // when each was answered
}

// request sends one and returns the body. It returns an error if there was no
// answer; any answer but 200 fails the test.
func (m *model) request(client *http.Client, method, path, body string) (string, error) {
	req, err := http.NewRequest(method, m.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != 200 {
		m.t.Errorf("%s %s answered %d %s", method, path, resp.StatusCode, text)
		return "", errors.New("not 200")
	}
	return string(text), nil
}

// load lets clients write until the server, which it kills after a while, answers
// no more. It returns how many writes were acknowledged.
func (m *model) load(p *process, after time.Duration) int64 {
	var acknowledged atomic.Int64
	var clients sync.WaitGroup
	for range crashWriters {
		seed := m.rnd.Uint64()
		clients.Go(func() {
			c := crashClient{model: m, rnd: rand.New(rand.NewPCG(seed, 1)), acknowledged: &acknowledged}
			defer c.http.CloseIdleConnections()
			for c.step() == nil {
			}
		})
	}
	time.Sleep(after)
	m.killed = time.Now()
	p.cmd.Process.Kill()
	<-p.done
	clients.Wait()
	m.acknowledged += acknowledged.Load()
	return acknowledged.Load()
}

type crashClient struct {
	*model
	http         http.Client
	rnd          *rand.Rand
	acknowledged *atomic.Int64
	own          []*crashSession
}

// step does one thing to a session, and says what the client then knows.
func (c *crashClient) step() error {
	if c.http.Transport == nil {
		c.http.Transport = &http.Transport{}
	}
	if len(c.own) == 0 || c.rnd.IntN(100) < 30 {
		return c.create("crash")
	}
	s := c.own[c.rnd.IntN(len(c.own))]
	switch n := c.rnd.IntN(100); {
	case n < 50:
		s.trying = true
		body, err := c.request(&c.http, "POST", "/"+s.app+"/set/"+s.token, fmt.Sprintf(`{"sets":%d,"pad":"%s"}`, s.sets+1, strings.Repeat("x", c.rnd.IntN(300))))
		if err != nil {
			return err
		}
		s.sets, s.trying = s.sets+1, false
		if want := fmt.Sprintf(`"w":%d,`, s.sets+1); !strings.Contains(body, want) {
			c.t.Errorf("set %d answered %s", s.sets, body)
		}
	case n < 70:
		if _, err := c.request(&c.http, "GET", "/"+s.app+"/get/"+s.token, ""); err != nil {
			return err
		}
		s.reads = append(s.reads, time.Now())
		return nil
	case n < 98:
		path, answer := "/kill/"+s.token, `{"kill":1}`
		if n < 80 {
			path = "/killsoid/" + s.id
		}
		s.going = true
		body, err := c.request(&c.http, "DELETE", "/"+s.app+path, "")
		if err != nil {
			return err
		}
		s.gone = true
		c.forget(s)
		if body != answer {
			c.t.Errorf("%s answered %s", path, body)
		}
	default:
		return c.bulk()
	}
	c.acknowledged.Add(1)
	return nil
}

// create starts a session of a user of its own.
func (c *crashClient) create(app string) error {
	c.mu.Lock()
	c.next++
	s := &crashSession{app: app, id: fmt.Sprint("user-", c.next)}
	c.mu.Unlock()
	body, err := c.request(&c.http, "PUT", "/"+app+"/create/"+s.id+"?ip=::1", `{"sets":0}`)
	if err != nil {
		return err // nobody knows its token
	}
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Token) != 64 {
		c.t.Errorf("create answered %s", body)
	}
	s.token = answer.Token
	c.own = append(c.own, s)
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	c.acknowledged.Add(1)
	return nil
}

func (c *crashClient) forget(s *crashSession) {
	for i := range c.own {
		if c.own[i] == s {
			c.own = append(c.own[:i], c.own[i+1:]...)
			return
		}
	}
}

// bulk fills an app of its own and ends it by killall.
func (c *crashClient) bulk() error {
	app := fmt.Sprintf("bulk-%d", c.rnd.IntN(1_000_000_000))
	first := len(c.own)
	for range 20 {
		if err := c.create(app); err != nil {
			return err
		}
	}
	filled := append([]*crashSession(nil), c.own[first:]...)
	c.own = c.own[:first]
	for _, s := range filled {
		s.going = true
	}
	body, err := c.request(&c.http, "DELETE", "/"+app+"/killall", "")
	if err != nil {
		return err
	}
	for _, s := range filled {
		s.gone = true
	}
	if body != `{"kill":20}` {
		c.t.Errorf("killall answered %s", body)
	}
	c.acknowledged.Add(1)
	return nil
}

// verify asks for every session that there ever was. What was sent and not
// answered may have been done; from then on it is as it is found.
func (m *model) verify() (live, gone int) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	kept := m.sessions[:0]
	for _, s := range m.sessions {
		body, err := m.request(&client, "GET", "/"+s.app+"/get/"+s.token, "")
		if err != nil {
			m.t.Fatal(err)
		}
		if body == "{}" {
			if !s.going && !s.gone {
				m.lost++
				m.t.Errorf("lost: %s with %d sets", s.id, s.sets)
			}
			s.gone = true
		}
		if s.gone {
			gone++
			if body != "{}" {
				m.resurrected++
				m.t.Errorf("resurrected: %s: %s", s.id, body)
			}
			if s.checks++; s.checks < checks {
				kept = append(kept, s)
			}
			continue
		}
		live++
		kept = append(kept, s)
		var got struct {
			R, W int
			D    struct{ Sets int }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			m.t.Fatal(err)
		}
		if got.D.Sets != s.sets && !(s.trying && got.D.Sets == s.sets+1) || got.W != got.D.Sets+1 {
			m.lost++
			m.t.Errorf("%s after %d sets (one more sent: %v): %s", s.id, s.sets, s.trying, body)
		}
		s.sets, s.trying, s.going = got.D.Sets, false, false
		safe := 0
		for _, at := range s.reads {
			if m.killed.Sub(at) > readsFollow {
				safe++
				m.reads++
			}
		}
		if got.R < 1+safe || got.R > 1+len(s.reads) {
			m.t.Errorf("%s was read %d times, %d of these long ago: %s", s.id, len(s.reads), safe, body)
		}
		s.reads = append(s.reads[:0], make([]time.Time, got.R-1)...)
		s.reads = append(s.reads, time.Now())
	}
	m.sessions = kept
	return live, gone
}
