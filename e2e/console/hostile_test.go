package console

import (
	"net/url"
	"strings"
	"testing"
)

// TestHostileTexts shows ids, addresses and data that would be HTML, or that deceive: all is
// text, as it was sent.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	const attack = `<img src=x onerror=pwned=1>"'><script>pwned=1</script>`
	const data = `{"n":9007199254740993,"f":1e400,"z":-0,"a":0.10,"html":"<img src=x onerror=pwned=1>","text":"\u003c\/script\u003e","__proto__":{"a":[[],{}]},"a\"b":"}"}`
	kept := func() string { // as the server sends it
		s.ask("PUT", "/shop/create/"+url.PathEscape(attack)+"?ip="+url.QueryEscape(`<img src=x onerror=pwned=1>`), "", data)
		_, d, _ := strings.Cut(s.ask("GET", "/shop/soid/"+url.PathEscape(attack), "", ""), `"d":`)
		return strings.TrimSuffix(d, "}]}")
	}()
	s.ask("PUT", "/shop/create/"+url.PathEscape("abc\u202egpj.exe\u0007")+"?ip=192.0.2.1", "", "")
	b := openTab(t, s.origin, "/console")
	b.open("", "shop")
	b.waitText("#latest-sessions", attack)
	b.waitText("#latest-sessions", `abc\u202egpj.exe\u0007`)
	b.showUser(attack)
	b.waitText("#user-said", "“"+attack+"” has 1 session")
	b.waitText("#user-sessions", "<img src=x onerror=pwned=1>")
	b.click("#user-sessions summary")
	b.waitFor("data", `document.querySelector("#user-sessions pre").textContent !== ""`)
	if got := eval[string](b, `document.querySelector("#user-sessions pre").textContent`); got != kept {
		t.Errorf("the data is shown as\n%s\nnot\n%s", got, kept)
	}
	b.click("#user-sessions details button")
	if got := eval[string](b, `document.querySelector("#user-sessions pre").textContent.replace(/^ +|\n/gm, "").replace(/": /g, '":')`); got != kept {
		t.Errorf("indented, the data is\n%s\nnot\n%s", got, kept)
	}
	b.click("#user-sessions .danger")
	b.waitText("#confirm", attack)
	b.click("#confirm-yes")
	b.waitText("#user-said", "“"+attack+"” has no session")
	if n := eval[int](b, `document.querySelectorAll("img, main script, [onerror]").length + (window.pwned ?? 0)`); n != 0 {
		t.Error("a text became HTML")
	}
	// Ids that a browser makes another path of.
	for _, id := range []string{"..", "."} {
		b.showUser(id)
		b.waitText("#user-said", "A browser cannot ask for a user whose id is . or ..")
	}
	for _, id := range []string{"a/b", "../../livez", "a?b#c", "%2e%2e", " ", "ü✓😀", "a&b=c+d"} {
		s.ask("PUT", "/shop/create/"+url.PathEscape(id)+"?ip=192.0.2.1", "", "")
		b.showUser(id)
		if strings.Contains(id, " ") {
			id = "“" + id + "”" // to be seen
		}
		b.waitText("#user-said", id+" has 1 session")
	}
}
