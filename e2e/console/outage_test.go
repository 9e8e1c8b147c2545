package console

import "testing"

// TestStoreDown stops Redis, and lets it go on; then kills it and starts it empty. The page
// says so each time, and finds back by itself.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	s.ask("PUT", "/shop/create/ann?ip=192.0.2.1", "", "")
	b := openTab(t, s.origin, "/console")
	b.choose("#every", "1")
	b.open("", "shop")
	b.waitText("#health", "Live and ready")
	b.waitText("#active-now", "1")
	b.showUser("ann")
	b.waitText("#user-said", "ann has 1 session")

	s.redis.Pause()
	b.waitText("#health", "Live, but not ready. The store cannot be used now.")
	b.waitText("#active-said", "The store cannot be used now.")
	b.waitText("#store", "open: requests fail at once")
	b.waitText("#store", "fail, or the store does not answer")
	b.waitText("#errors", "storeUnavailable")
	b.click("#latest button[type=submit]")
	b.waitText("#latest-said", "The store cannot be used now.")
	// What is there stays: it is as of the time that stands there.
	b.click("#user-sessions .danger")
	b.click("#confirm-yes")
	b.waitText("#user-said", "What was to end may have ended or not.")
	b.shot("store-down")
	s.redis.Resume()
	b.waitText("#health", "Live and ready")
	b.waitFor("no error of active users", `document.querySelector("#active-said").innerText === ""`)
	b.waitText("#latest-said", "as of")
	b.waitText("#user-said", "ann has")
	b.waitText("#store", "closed; was opened")

	s.redis.Stop()
	b.waitText("#health", "The store cannot be used now.")
	if err := s.redis.Restart(); err != nil {
		t.Fatal(err)
	}
	b.waitFor("Ready", `document.querySelector("#health").innerText === "Live and ready"`)
	b.waitFor("nobody active", `document.querySelector("#active-now").innerText === "0"`)
}

// figuresBeforeHealth counts requests of figures that did not wait for an answer of /readyz.
const figuresBeforeHealth = `(() => {
	const asked = performance.getEntriesByType("resource").filter((e) => /\/(readyz|metrics)$/.test(e.name)).sort((a, b) => a.startTime - b.startTime);
	return asked.filter((e, i) => e.name.endsWith("metrics") && !(asked[i - 1]?.name.endsWith("readyz") && asked[i - 1].responseEnd <= e.startTime)).length;
})()`

// TestServerDown ends the server and starts it again. The page goes on.
func TestServerDown(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	b := openTab(t, s.origin, "/console")
	b.choose("#every", "1")
	b.open("", "shop")
	b.waitText("#latest-said", "0 sessions")
	s.stop()
	b.waitText("#health", "The server cannot be reached.")
	b.waitText("#server-said", "No figures: The server cannot be reached. Those shown are as of ")
	b.waitText("#active-said", "The server cannot be reached.")
	if early := eval[int](b, figuresBeforeHealth); early > 0 {
		t.Errorf("figures were asked for %d times before it was known whether the server is ready", early)
	}
	s.start()
	b.waitText("#health", "Live and ready")
	b.waitText("#server-said", "The server was started anew")
	s.stop()
	b.open("", "shop") // when nothing can be asked
	b.waitText("#access-said", "The server cannot be reached.")
	s.start()
	b.waitText("#access-said", "This server needs no key.")
	b.waitText("#latest-said", "0 sessions")
}

// TestHidden hides the page: nothing is asked until it is seen again.
func TestHidden(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	b := openTab(t, s.origin, "/console")
	b.choose("#every", "1")
	b.open("", "shop")
	b.waitText("#latest-said", "0 sessions")
	hide := func(hidden bool) {
		t.Helper()
		state := map[bool]string{true: "true", false: "false"}[hidden]
		eval[bool](b, `Object.defineProperty(document, "hidden", { value: `+state+`, configurable: true }) && document.dispatchEvent(new Event("visibilitychange"))`)
	}
	asked := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.requests)
	}
	hide(true)
	b.waitText("#polled", "paused while hidden")
	// What was on its way may still be answered, and told of. Then a second is a poll's time.
	before := -1
	for before != asked() {
		before = asked()
		eval[bool](b, "new Promise((done) => setTimeout(() => done(true), 500))")
	}
	eval[bool](b, "new Promise((done) => setTimeout(() => done(true), 1500))")
	if n := asked() - before; n > 0 {
		t.Errorf("%d requests while the page was hidden", n)
	}
	hide(false)
	b.waitText("#polled", "as of")
	if asked() == before {
		t.Error("nothing is asked when the page is seen again")
	}
}
