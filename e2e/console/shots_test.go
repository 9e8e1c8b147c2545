package console

import (
	"fmt"
	"os"
	"path/filepath"
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
	s.ask("PUT", "/shop/create/user3?ip=2001:db8::17&ttl=86400&max_age=90000", "", "")
	b := openTab(t, s.origin, "/console")
	b.open("", "shop")
	b.choose("#every", "1")
	b.showUser("user3")
	b.waitText("#user-said", "2 sessions")
	b.waitFor("routes", `document.querySelectorAll("#routes td").length > 0`)
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
}

// shot takes a picture of the whole page if a directory for it is named.
func (b *tab) shot(name string) {
	dir := os.Getenv(shotsEnv)
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		b.t.Error(err)
	}
}
