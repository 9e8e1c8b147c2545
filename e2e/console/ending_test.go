package console

import (
	"fmt"
	"strings"
	"testing"
)

// TestEnding ends a user's sessions by the mouse: none, one, the others, all.
func TestEnding(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	tokens := make([]string, 5)
	for i := range tokens {
		answer := s.ask("PUT", fmt.Sprintf("/shop/create/ann?ip=192.0.2.%d&with=handle", i), "", "")
		tokens[i] = between(t, answer, `"token":"`, `"`)
	}
	s.ask("PUT", "/shop/create/bob?ip=192.0.2.9", "", "")
	lives := func() (which string) {
		for i, token := range tokens {
			if s.ask("GET", "/shop/get/"+token+"?touch=false", "", "") != "{}" {
				which += fmt.Sprint(i)
			}
		}
		return which
	}
	row := func(i int) string { return fmt.Sprintf("#user-sessions tr[data-ip='192.0.2.%d'] ", i) }
	b := openTab(t, s.origin, "/console")
	b.open("", "shop")
	b.waitText("#latest-sessions", "ann")
	b.click("#latest-sessions button[aria-label^='ann,']")
	b.waitText("#user-said", "ann has 5 sessions")
	b.markRows()

	b.click(row(2) + ".danger")
	b.waitText("#confirm", "End this session?")
	b.waitText("#confirm", "from 192.0.2.2")
	b.shot("dialog")
	b.click("#confirm-no")
	b.waitFor("no dialog", "!document.querySelector('#confirm').open")
	if got := lives(); got != "01234" {
		t.Errorf("after Cancel %s live", got)
	}

	b.click(row(2) + ".danger")
	b.click("#confirm-yes")
	b.waitText("#user-said", "The session has ended. ann has 4 sessions")
	if got := lives(); got != "0134" {
		t.Errorf("after the end of 2, %s live", got)
	}

	// One that the site ends meanwhile has ended already.
	b.markRows()
	s.ask("DELETE", "/shop/kill/"+tokens[4], "", "")
	b.click(row(4) + ".danger")
	b.click("#confirm-yes")
	b.waitText("#user-said", "The session had ended already. ann has 3 sessions")

	b.markRows()
	b.click(row(1) + ".danger:nth-of-type(2)")
	b.waitText("#confirm", "End all other sessions?")
	b.click("#confirm-yes")
	b.waitText("#user-said", "2 sessions ended. ann has 1 session")
	if got := lives(); got != "1" {
		t.Errorf("after the end of the others, %s live", got)
	}

	b.click("#end-all")
	b.waitText("#confirm", "End all sessions of the user?")
	b.click("#confirm-yes")
	b.waitText("#user-said", "1 session ended. ann has no session")
	if got := lives(); got != "" {
		t.Errorf("after the end of all, %s live", got)
	}
	if got := s.ask("GET", "/shop/soid/bob", "", ""); !strings.Contains(got, "192.0.2.9") {
		t.Errorf("the other user has %s", got)
	}
}

// TestEndOthers ends the others while the user goes on: one that begins meanwhile is left
// and told of, and if the one to keep has gone none is ended.
func TestEndOthers(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	b := openTab(t, s.origin, "/console")
	// A client that notes what is ended; lists has an answer for each time that it lists.
	run := func(keep string, lists ...string) string {
		answers := make([]string, len(lists))
		for i, list := range lists {
			handles := []string{}
			for handle := range strings.FieldsSeq(list) {
				handles = append(handles, fmt.Sprintf(`{"id":"ann","r":1,"w":1,"ttl":10,"idle":0,"ip":"::1","handle":%q}`, handle))
			}
			answers[i] = fmt.Sprintf("%q", `{"sessions":[`+strings.Join(handles, ",")+`]}`)
		}
		return eval[string](b, fmt.Sprintf(`import("/console/ending.js").then(async ({ endOthers }) => {
			const lists = [%s], ended = [];
			const client = {
				get: async () => ({ text: lists.shift() }),
				end: async (path, { handle }) => { ended.push(handle); return { text: '{"kill":1}' } },
			};
			return JSON.stringify([await endOthers(client, "shop", "ann", %q, () => {}), ended]);
		})`, strings.Join(answers, ","), keep))
	}
	if got, want := run("b", "a b c", "b d"), `[{"kept":true,"ended":2,"begun":1},["a","c"]]`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got, want := run("b", "a c", ""), `[{"kept":false,"ended":0,"begun":0},[]]`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// markRows gives the rows of a user's sessions their ip, to be found by.
func (b *tab) markRows() {
	b.t.Helper()
	eval[int](b, `[...document.querySelectorAll("#user-sessions tbody tr")].map((row) => row.dataset.ip = row.querySelector("[data-title=IP]").textContent).length`)
}
