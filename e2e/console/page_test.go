package console

import (
	"fmt"

	"github.com/chromedp/chromedp"
)

// fill writes a value into a field.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	eval[string](b, fmt.Sprintf("document.querySelector(%q).value = %q", selector, value))
}

// click clicks on the first element that is visible and that the selector names.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// open fills in the form with a key and an app, and sends it.
func (b *tab) open(key, app string) {
	b.t.Helper()
	b.fill("#key", key)
	b.fill("#app", app)
	b.click("#access .primary")
}

// showUser asks for a user's sessions.
func (b *tab) showUser(id string) {
	b.t.Helper()
	b.fill("#id", id)
	b.click("#user button[type=submit]")
}
