package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shotsEnv names a directory for pictures of the page, for people to look at.
const shotsEnv = "CONSOLE_SCREENSHOTS"

// TestScreens looks at the page with much to show, at both widths, light and dark: nothing
// may be wider than the window.
func TestScreens(t *testing.T) {
	s := startSite(t)
	for i := range 7 {
		s.ask("PUT", fmt.Sprintf("/shop/create/user%d?ip=192.0.2.%d", i, i), "", `{"cart":["lamp",{"price":9007199254740993}],"name":"Peter"}`)
	}
	long := strings.Repeat("W", 128) // an id, and a word in the data
	s.ask("PUT", "/shop/create/"+long+"?ip="+strings.Repeat("f", 45), "", `{"`+long+`":"`+long+`"}`)
	s.ask("PUT", "/shop/create/user3?ip=2001:db8::17&ttl=86400&max_age=90000", "", "")
	b := openTab(t, s.origin, "/console")
	b.open("", "shop")
	b.choose("#every", "1")
	b.showUser("user3")
	b.waitText("#user-said", "2 sessions")
	b.waitFor("routes", `document.querySelectorAll("#routes td").length > 0`)
	b.open("", "shop") // which asks for a route with a long name
	b.waitText("#routes", "access.json")
	b.waitFor("a line", `document.querySelectorAll("canvas").length === 3`)
	for _, width := range []int64{360, 800, 1600} {
		for _, dark := range []bool{false, true} {
			b.size(width, dark)
			if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("at %d pixels the page is %d wide", width, wide)
			}
			b.shot(fmt.Sprintf("console-%d-%v", width, map[bool]string{true: "dark", false: "light"}[dark]))
		}
	}
	b.size(360, false)
	if lines := eval[int](b, linesOf("#routes code[title='/console/access.json']", "access.json")); lines != 1 {
		t.Errorf("a word of a route is on %d lines", lines)
	}
	b.showUser(long)
	b.waitText("#user-said", long+" has 1 session")
	b.click("#user-sessions summary")
	b.click("#user-sessions .danger")
	for _, width := range []int64{360, 1600} {
		b.size(width, width == 360)
		if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > width {
			t.Errorf("of long texts, at %d pixels the page is %d wide", width, wide)
		}
		b.shotOfWindow(fmt.Sprintf("long-%d", width))
	}
}

// linesOf counts the lines that a word of an element is on.
func linesOf(selector, word string) string {
	return fmt.Sprintf(`(() => {
		const text = document.querySelector(%q).firstChild, range = document.createRange(), at = text.data.indexOf(%q);
		range.setStart(text, at);
		range.setEnd(text, at + %d);
		return range.getClientRects().length;
	})()`, selector, word, len(word))
}

// shotOfWindow is shot of what is seen of the page.
func (b *tab) shotOfWindow(name string) { b.keep(name, chromedp.CaptureScreenshot()) }

// shot takes a picture of the whole page if a directory for it is named.
func (b *tab) shot(name string) { b.keep(name, chromedp.FullScreenshot(100)) }

func (b *tab) keep(name string, take chromedp.Action[[]byte]) {
	b.t.Helper()
	dir := os.Getenv(shotsEnv)
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, take)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		b.t.Error(err)
	}
}
