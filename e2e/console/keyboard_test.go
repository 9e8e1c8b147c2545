package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestByKeyboard goes through the console by keys alone: it opens an app, shows a user, ends
// a session after having let it be, and folds data out. What has the focus is always seen.
func TestByKeyboard(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	for i := range 2 {
		s.ask("PUT", fmt.Sprintf("/shop/create/ann?ip=192.0.2.%d", i), "", `{"a":1}`)
	}
	b := openTab(t, s.origin, "/console")
	b.waitText("#access-said", "This server needs no key.")
	b.press(kb.Tab)
	b.focused("Skip to the content")
	b.tabTo("#app")
	b.press("shop" + kb.Enter)
	b.waitText("#latest-said", "2 sessions")

	b.tabTo("#latest-sessions button.link")
	b.press(kb.Enter)
	b.waitText("#user-said", "ann has 2 sessions")
	b.waitFor("the focus on the title", `document.activeElement.id === "user-title"`)

	b.tabTo("#user-sessions summary")
	b.press(" ")
	b.waitText("#user-sessions pre", `{"a":1}`)
	b.tabTo("#user-sessions .danger")
	end := eval[string](b, "document.activeElement.textContent")
	b.press(kb.Enter)
	b.focused("Cancel")
	b.press(kb.Escape)
	b.waitFor("no dialog", "!document.querySelector('#confirm').open")
	b.focused(end)
	b.press(kb.Enter)
	b.focused("Cancel")
	b.press(kb.Tab)
	b.focused("End the session")
	b.press(kb.Tab) // the focus stays in the dialog, or goes to the browser's own buttons
	if eval[bool](b, `document.activeElement !== document.body && !document.activeElement.closest("dialog")`) {
		t.Error("the focus leaves the dialog")
	}
	for eval[string](b, "document.activeElement.id") != "confirm-yes" {
		b.press(kb.Tab)
	}
	b.press(kb.Enter)
	b.waitText("#user-said", "The session has ended. ann has 1 session")
	b.waitFor("the focus on the title", `document.activeElement.id === "user-title"`)
	b.tabTo("#end-all")
	b.press(kb.Enter)
	b.focused("Cancel")
	b.press(kb.Enter)
	b.waitFor("no dialog", "!document.querySelector('#confirm').open")
	b.waitText("#user-said", "ann has 1 session")
}

// press sends keys.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// tabTo goes on by Tab until the element has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 100 {
		b.press(kb.Tab)
		b.checkFocus()
		if eval[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
	}
	b.t.Fatalf("Tab does not lead to %s", selector)
}

// focused waits until what has the focus has the text.
func (b *tab) focused(text string) {
	b.t.Helper()
	b.waitFor("the focus on "+text, fmt.Sprintf("document.activeElement.textContent === %q", text))
	b.checkFocus()
}

// checkFocus wants what has the focus to be seen, and to be marked.
func (b *tab) checkFocus() {
	b.t.Helper()
	const marked = `(e => e === document.body || e.checkVisibility() && getComputedStyle(e).outlineStyle !== "none" && parseFloat(getComputedStyle(e).outlineWidth) >= 2)(document.activeElement)`
	if !eval[bool](b, marked) {
		b.t.Errorf("it is not seen that the focus is on %s", eval[string](b, "document.activeElement.outerHTML.slice(0, 100)"))
	}
}
