package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// fake is a server of sessions that can lie. The zero of each lie is the truth.
type fake struct {
	mu       sync.Mutex
	sessions map[string]*fakeSession
	gets     int
	lie      lie
}

type fakeSession struct {
	id   string
	r, w int
	d    map[string]json.RawMessage
	dead bool
}

// lie is what a fake does to every hundredth get, to each set and so on.
type lie int

const (
	honest lie = iota
	wrongID
	lostUpdate   // a set answers as if it had landed, and is forgotten
	resurrection // a killed session is still served
	loggedOut    // {} for a live session
	htmlPage     // a login page with status 200
	lostRead     // a read is not counted
	doubleRead   // a read is counted twice
	sharedToken  // one token for two sessions
	shortList    // a list leaves one out
	foreignList  // a list has one of another user
	killOfNone
	noAnswer // the connection breaks
	serverError
)

func newFake(t *testing.T, l lie) *httptest.Server {
	f := &fake{sessions: map[string]*fakeSession{}, lie: l}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", 3)
	arg := ""
	if len(parts) == 3 {
		arg, _ = url.PathUnescape(parts[2])
	}
	data := map[string]json.RawMessage{}
	json.NewDecoder(r.Body).Decode(&data)
	s := f.sessions[arg]
	if s != nil && s.dead && f.lie != resurrection {
		s = nil
	}
	switch parts[1] {
	case "create":
		token := fmt.Sprintf("%016x%016x%016x%016x", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())
		if f.lie == sharedToken && len(f.sessions) > 50 {
			token = strings.Repeat("a", 64)
		}
		f.sessions[token] = &fakeSession{id: arg, r: 1, w: 1, d: data}
		fmt.Fprintf(w, `{"token":%q}`, token)
	case "get":
		f.gets++
		f.get(w, s, f.gets%100 == 0)
	case "set":
		if s == nil {
			fmt.Fprint(w, "{}")
			return
		}
		s.w++
		changed := *s
		changed.d = map[string]json.RawMessage{}
		for _, from := range []map[string]json.RawMessage{s.d, data} {
			for key, value := range from {
				changed.d[key] = value
			}
		}
		if f.lie != lostUpdate {
			*s = changed
		}
		fmt.Fprint(w, changed.text())
	case "soid":
		var list []string
		for _, s := range f.sessions {
			if f.lie == foreignList || s.id == arg && !s.dead {
				list = append(list, s.text())
			}
		}
		if f.lie == shortList {
			list = list[1:]
		}
		fmt.Fprintf(w, `{"sessions":[%s]}`, strings.Join(list, ","))
	case "kill":
		if s == nil || f.lie == killOfNone {
			fmt.Fprint(w, `{"kill":0}`)
			return
		}
		s.dead = true
		fmt.Fprint(w, `{"kill":1}`)
	case "killall":
		n := 0
		for _, s := range f.sessions {
			if !s.dead {
				n++
			}
		}
		f.sessions = map[string]*fakeSession{}
		fmt.Fprintf(w, `{"kill":%d}`, n)
	}
}

func (f *fake) get(w http.ResponseWriter, s *fakeSession, now bool) {
	if s == nil {
		fmt.Fprint(w, "{}")
		return
	}
	text := s.text()
	s.r++
	if now {
		switch f.lie {
		case wrongID:
			text = strings.Replace(text, `"id":"`, `"id":"x`, 1)
		case loggedOut:
			text = "{}"
		case htmlPage:
			text = "<!DOCTYPE html><title>Log in</title>"
		case lostRead:
			s.r--
		case doubleRead:
			s.r++
		case noAnswer:
			panic(http.ErrAbortHandler)
		case serverError:
			w.WriteHeader(http.StatusServiceUnavailable)
			text = `{"name":"storeUnavailable"}`
		}
	}
	fmt.Fprint(w, text)
}

func (s *fakeSession) text() string {
	d, _ := json.Marshal(s.d)
	id, _ := json.Marshal(s.id)
	return fmt.Sprintf(`{"id":%s,"r":%d,"w":%d,"ttl":86400,"idle":0,"ip":"192.0.2.17","d":%s}`, id, s.r, s.w, d)
}
