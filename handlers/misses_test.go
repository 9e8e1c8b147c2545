package handlers

import (
	"strings"
	"testing"
)

// TestMissesCount counts those of each route that a token can be tried on.
func TestMissesCount(t *testing.T) {
	w := serveEmbedded(t)
	w.api.sources.MissWarn = 4
	token := w.create("app", "id", "ip=::1", "")
	w.do("GET", "/app/get/"+token, "")
	w.do("POST", "/app/set/"+token, `{"a":1}`)
	w.do("GET", "/app/get/short", "")
	w.do("GET", "/app/soid/nobody", "")
	w.do("GET", "/app/get/"+aToken, "")
	w.do("GET", "/app/get/%41"+aToken[1:], "")
	w.do("POST", "/app/set/"+aToken, `{"a":1}`)
	if strings.Contains(w.log.String(), "asked for") {
		t.Error("a line before the threshold")
	}
	w.do("DELETE", "/app/kill/"+aToken, "")
	if log := w.log.String(); !strings.Contains(log, "127.0.0.1 asked for 4 tokens") || strings.Contains(log, aToken) {
		t.Errorf("the log:\n%s", log)
	}
	if !strings.Contains(w.do("GET", "/metrics", "").body, "\nrest_sessions_misses_total 4\n") {
		t.Error("not 4 misses in the metrics")
	}
}
