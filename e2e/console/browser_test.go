// Package console tests the console of the built server in a real browser.
package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what a page is to show.
const patience = 45 * time.Second

// browser starts Chromium, once for all tests, with a new directory for its data. Each test
// has a tab with a storage of its own.
var browser = sync.OnceValues(func() (context.Context, error) {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox, // which Chromium has none of for root
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx)
	ended = append(ended, cancel, stop)
	return ctx, chromedp.Do(ctx)
})

// ended ends what all tests share.
var ended []func()

// tab is a tab of the browser that notes all that must not happen in it.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests []string // methods and URLs
}

// openTab opens a page in a new tab, with nothing stored. When the test ends, the tab must
// have had no violation of the policy, no error and no request to another origin.
func openTab(t *testing.T, origin, path string) *tab {
	t.Helper()
	return openTabFrom(t, origin, path, network.Headers{})
}

// openTabFrom is openTab with headers that each request has besides.
func openTabFrom(t *testing.T, origin, path string, headers network.Headers) *tab {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Fatalf("Chromium does not start (scripts/test installs it): %v", err)
	}
	b := &tab{t: t}
	var cancel func()
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(func(event any) { b.note(origin, event) }))
	t.Cleanup(func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Error(problem)
		}
	})
	if err := chromedp.Do(b.ctx); err != nil { // which makes the tab, for as long as this context lives
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers})
	call(b, log.Enable, struct{}{})
	b.size(1600, false)
	b.do(chromedp.Navigate(origin + path))
	return b
}

func (b *tab) note(origin string, event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := func(format string, args ...any) { b.problems = append(b.problems, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		b.requests = append(b.requests, e.Request.Method+" "+url)
		if !strings.HasPrefix(url, origin+"/") && !strings.HasPrefix(url, "data:") {
			problem("a request to another origin: %s", url)
		}
	case *runtime.EventExceptionThrown:
		problem("an exception: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
	case *runtime.EventConsoleAPICalled:
		problem("console.%s: %s", e.Type, e.Args[0].Value)
	case *log.EventEntryAdded:
		// Chromium logs each answer of 4xx and 5xx, and each request without an answer.
		if e.Entry.Source != log.EntrySourceNetwork {
			problem("%s of %s: %s %s", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
}

// do does what the actions say, within patience.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nthe page:\n%s", err, b.text("body"))
	}
}

// eval returns the value of an expression, or of the promise that it is.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// text is what is seen of an element, "" if it is not there.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// waitFor waits until an expression is true. chromedp's Poll makes a function of a text in
// the page, which the policy forbids.
func (b *tab) waitFor(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); !eval[bool](b, "Boolean("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s; the page:\n%s", what, b.text("body"))
		}
	}
}

// waitText waits until a text is in what is seen of an element.
func (b *tab) waitText(selector, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("%q in %s", text, selector), fmt.Sprintf("(document.querySelector(%q)?.innerText ?? '').includes(%q)", selector, text))
}

// size makes the window as wide, light or dark.
func (b *tab) size(width int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(width, 1000))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// choose takes an option of a select.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf("(s => { s.value = %q; return s.dispatchEvent(new Event('change')) })(document.querySelector(%q))", value, selector))
}
