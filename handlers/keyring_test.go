package handlers

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyRequests counts requests by key, over a reload that drops a key and adds one.
func TestKeyRequests(t *testing.T) {
	w := serveEmbedded(t)
	const name = "rest_sessions_key_requests_total"
	want := func(lines ...string) {
		t.Helper()
		found := 0
		metrics := w.do("GET", "/metrics", "").body
		for line := range strings.SplitSeq(metrics, "\n") {
			if strings.HasPrefix(line, name) {
				found++
			}
		}
		for _, line := range lines {
			if !strings.Contains(metrics, "\n"+name+line+"\n") {
				t.Errorf("no line %s%s", name, line)
			}
		}
		if found != len(lines) {
			t.Errorf("%d lines of %s, not %d", found, name, len(lines))
		}
	}
	want()
	path := filepath.Join(t.TempDir(), "keys")
	take := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if ok := w.api.ReloadKeys(path); ok == (text == "nonsense") {
			t.Errorf("the reload of %q says %v", text, ok)
		}
	}
	take("all:" + keyAll + " shop@shop:" + keyShop + " reader!ro:" + keyReader)
	want(`{key="all"} 0`, `{key="shop"} 0`, `{key="reader"} 0`)
	for range 2 {
		w.do("GET", "/shop/get/"+aToken, "", with(keyAll))        // before the router
		w.do("GET", "/shop/get/%41"+aToken[1:], "", with(keyAll)) // by the router
	}
	w.do("GET", "/other/get/"+aToken, "", with(keyShop)) // not the key's app
	w.do("GET", "/nowhere", "", with(keyShop))
	w.do("DELETE", "/shop/killall", "", with(keyReader)) // not the key's role
	w.do("GET", "/shop/get/"+aToken, "", with(keyStranger))
	w.do("GET", "/shop/get/"+aToken, "")
	w.do("GET", "/livez", "", with(keyReader)) // which needs none
	// This one is looked at twice, before its body and with it.
	request, _ := http.NewRequest("PUT", "http://"+w.addr+"/shop/create/id?ip=::1", strings.NewReader("{}"))
	request.Header.Set("Authorization", "Bearer "+keyShop)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	if resp, err := http.DefaultClient.Do(request); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	want(`{key="all"} 4`, `{key="shop"} 3`, `{key="reader"} 1`)
	take("nonsense")
	take("all:" + keyAll + " web!web:" + keyWeb)
	want(`{key="all"} 4`, `{key="web"} 0`)
	w.api.SetKeys(nil)
	want()
}
