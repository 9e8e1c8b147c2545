package console

import "fmt"

// fill writes a value into a field.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	eval[string](b, fmt.Sprintf("document.querySelector(%q).value = %q", selector, value))
}

// click clicks on the first element that the selector names, once it is seen. By its place
// on the screen it might be missed, as more of the page comes; TestByKeyboard sends real keys.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.waitFor("an element "+selector, fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	eval[bool](b, fmt.Sprintf("(e => { e.focus(); e.click(); return true })(document.querySelector(%q))", selector))
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

// is wants an element to be seen, or not.
func (b *tab) is(what, selector string, seen bool) {
	b.t.Helper()
	if got := eval[bool](b, fmt.Sprintf("document.querySelector(%q)?.checkVisibility() ?? false", selector)); got != seen {
		b.t.Errorf("%s is seen: %v, not %v", what, got, seen)
	}
}
