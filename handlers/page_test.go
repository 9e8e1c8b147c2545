package handlers

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/goccy/go-json"

	"rest-sessions/store"
	"rest-sessions/store/storetest"
)

// follow reads a list in pages and returns the ids of its sessions and how many
// pages there were.
func (w *site) follow(path string, limit int) (ids []string, pages int) {
	w.tb.Helper()
	for cursor := ""; ; {
		a := w.do("GET", fmt.Sprintf("%s%climit=%d&cursor=%s", path, "?&"[strings.Count(path, "?")], limit, cursor), "")
		var reply struct {
			Sessions []struct{ ID string }
			Cursor   *string
		}
		if err := json.Unmarshal([]byte(a.body), &reply); err != nil || a.status != 200 || len(reply.Sessions) > limit {
			w.tb.Fatalf("page %d: status %d, %d sessions: %v: %.200s", pages, a.status, len(reply.Sessions), err, a.body)
		}
		for _, s := range reply.Sessions {
			ids = append(ids, s.ID)
		}
		pages++
		if reply.Cursor == nil {
			return ids, pages
		}
		if cursor = *reply.Cursor; cursor == "" {
			w.tb.Fatal("an empty cursor, where none is the end")
		}
	}
}

// TestPages follows both lists by their cursors, in pages of one chunk and of many.
func TestPages(t *testing.T) {
	w := serveEmbedded(t)
	const n = 1100
	for i := range n {
		id := "user"
		if i%2 == 0 {
			id = fmt.Sprint("user", i)
		}
		w.create("app", id, "ip=::1", "")
	}
	for limit, want := range map[int]int{1000: 2, 300: 4, n / 2: 2, 999: 2} {
		if ids, pages := w.follow("/app/soapp?dt=600", limit); len(ids) != n || pages != want {
			t.Errorf("soapp by %d: %d sessions in %d pages, want %d in %d", limit, len(ids), pages, n, want)
		}
	}
	for limit, want := range map[int]int{1000: 1, n / 2: 1, 549: 2, 7: 79} {
		if ids, pages := w.follow("/app/soid/user", limit); len(ids) != n/2 || pages != want {
			t.Errorf("soid by %d: %d sessions in %d pages, want %d in %d", limit, len(ids), pages, n/2, want)
		}
	}
	whole := w.do("GET", "/app/soapp?dt=600", "").body
	for _, query := range []string{"&limit=", "&cursor=", "&limit=&cursor="} {
		w.expect(w.do("GET", "/app/soapp?dt=600"+query, ""), 200, whole)
	}
	w.expect(w.do("GET", "/none/soapp?dt=600&limit=5", ""), 200, `{"sessions":[]}`)
}

func TestPageQuery(t *testing.T) {
	w := serveEmbedded(t)
	for range 3 {
		w.create("app", "id", "ip=::1", "")
		w.create("two", "id", "ip=::1", "")
	}
	const badLimit = "limit must be a positive integer <= 1000"
	const badCursor = "Invalid cursor format; it must be the cursor of a page of the same list, as it came"
	for query, e := range map[string][2]string{
		"limit=0":            {"invalidValue", badLimit},
		"limit=-1":           {"invalidValue", badLimit},
		"limit=1001":         {"invalidValue", badLimit},
		"limit=12abc":        {"invalidValue", badLimit},
		"limit=+5":           {"invalidValue", badLimit},
		"limit=%2B5":         {"invalidValue", badLimit},
		"limit=5&cursor=x":   {"invalidFormat", badCursor},
		"limit=5&cursor=%00": {"invalidFormat", badCursor},
		"limit=5&cursor=é":   {"invalidFormat", badCursor},
		"cursor=x":           {"missingParameter", "No limit supplied; cursor needs it"},
		"limit=1&cursor=" + strings.Repeat("A", 4000): {"invalidFormat", badCursor},
	} {
		for _, path := range []string{"/app/soapp?dt=60&", "/app/soid/id?"} {
			w.expectError(w.do("GET", path+query, ""), 400, e[0], e[1])
			if t.Failed() {
				t.Fatalf("by %s%s", path, query)
			}
		}
	}
	// One list's cursor is none of another.
	_, cursor, _ := strings.Cut(w.do("GET", "/two/soapp?dt=60&limit=1", "").body, `"cursor":"`)
	cursor = strings.TrimSuffix(cursor, `"}`)
	w.expectError(w.do("GET", "/app/soapp?dt=60&limit=1&cursor="+cursor, ""), 400, "invalidFormat", badCursor)
	if a := w.do("GET", "/two/soapp?dt=60&limit=2&cursor="+cursor, ""); a.status != 200 || strings.Count(a.body, `"id":`) != 2 {
		t.Errorf("its own list answers %d %s", a.status, a.body)
	}
}

// TestPageErrors checks that a page that breaks off is not a shorter one.
func TestPageErrors(t *testing.T) {
	faulty := storetest.NewFaulty(still())
	w := serve(t, faulty)
	data := `{"a":"` + strings.Repeat("x", 300) + `"}` // two chunks are over listBuffer
	for range 900 {
		w.create("app", "id", "ip=::1", data)
	}
	for method, path := range map[string]string{"PageOfApp": "/app/soapp?dt=60&limit=800", "PageOfID": "/app/soid/id?limit=800"} {
		for chunk, status := range map[int]int{1: 503, 2: 503, 3: 200} {
			faulty.FailNext(method, chunk, store.ErrUnavailable)
			resp, err := http.Get("http://" + w.addr + path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != status || (err != nil) != (status == 200) {
				t.Errorf("%s, chunk %d failed: status %d, reading the body: %v", method, chunk, resp.StatusCode, err)
			}
		}
		faulty.FailAll(nil)
	}
}
