package console

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestAccessibility has axe look for faults: of roles, names, labels, headings, landmarks
// and contrasts, in each state of the page, narrow and light, wide and dark.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; scripts/console installs it", err)
	}
	s := startSite(t, someKeys)
	for range 2 {
		s.ask("PUT", "/shop/create/ann?ip=192.0.2.1", keyAll, `{"a":1}`)
	}
	b := openTab(t, s.origin, "/console")
	eval[bool](b, string(axe)+";true")
	check := func(state string) {
		t.Helper()
		for _, wide := range []bool{false, true} {
			b.size(map[bool]int64{false: 360, true: 1600}[wide], wide)
			var result struct {
				Violations []struct {
					ID, Help string
					Nodes    []struct{ HTML, FailureSummary string }
				}
				Passes int
			}
			text := eval[string](b, `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then((r) =>
				JSON.stringify({ violations: r.violations, passes: r.passes.length }))`)
			if err := json.Unmarshal([]byte(text), &result); err != nil {
				t.Fatal(err)
			}
			for _, v := range result.Violations {
				var where strings.Builder
				for _, n := range v.Nodes {
					fmt.Fprintf(&where, "\n  %s: %s", n.HTML, n.FailureSummary)
				}
				t.Errorf("%s, wide and dark %v: %s: %s%s", state, wide, v.ID, v.Help, where.String())
			}
			if result.Passes < 15 {
				t.Errorf("axe checked only %d rules", result.Passes)
			}
		}
	}
	b.waitText("#access-said", "This server asks for an API key.")
	check("locked")
	b.open("nobody-0123456789abcdefghijklmnopqrs", "shop")
	b.waitText("#access-said", "The server knows no such key.")
	check("a wrong key")
	b.choose("#every", "1")
	b.open(keyAll, "shop")
	b.showUser("ann")
	b.waitText("#user-said", "ann has 2 sessions")
	b.click("#user-sessions summary")
	b.click("#all summary")
	b.waitFor("figures", `document.querySelectorAll("#all-figures td").length > 0 && document.querySelectorAll("#routes td").length > 0`)
	check("open")
	b.click("#user-sessions .danger")
	check("asking")
	b.click("#confirm-no")
	s.redis.Pause()
	b.waitText("#health", "not ready")
	check("the store down")
	s.redis.Resume()
}
