package handlers

import "testing"

// TestUnknownParameters sends misspelt parameters, which must not turn off what they were
// to protect.
func TestUnknownParameters(t *testing.T) {
	w := serveEmbedded(t)
	for _, c := range []struct{ method, path, message string }{
		{"DELETE", "/shop/killsoid/user?exept=" + aToken, "There is no parameter exept; the nearest is except"},
		{"PUT", "/shop/create/user?ip=::1&max_session=1", "There is no parameter max_session; the nearest is max_sessions"},
		{"GET", "/shop/get/" + aToken + "?wiht=handle", "There is no parameter wiht; the nearest is with"},
		{"DELETE", "/shop/kill/" + aToken + "?ttl=10", "The route has no parameters; unknown parameter ttl"},
		{"GET", "/shop/%67et/" + aToken + "?ttl=10", ""},
		{"GET", "/shop/soid/user?limits=10", "There is no parameter limits; the nearest is limit"},
		{"POST", "/shop/rotate/" + aToken + "?Grace=0", "There is no parameter Grace; the nearest is grace"},
		{"GET", "/shop/activity?dt=60&" + aToken, "There is no parameter " + aToken[:16] + "...; the route has dt"},
		{"GET", "/shop/activity?dt=60&%zz=1", "The name of a parameter has a broken escape"},
	} {
		a := w.do(c.method, c.path, "")
		if c.message == "" {
			w.expectError(a, 404, "notFound", "")
		} else {
			w.expectError(a, 400, "unknownParameter", c.message)
		}
	}
	w.expect(w.do("GET", "/shop/get/"+aToken+"?_=1&_run=2&", ""), 200, "{}")
	w.expect(w.do("GET", "/shop/activity?_=1&dt=%36%30&%5Fx", ""), 200, `{"activity":0}`)
	w.expect(w.do("GET", "/ping?anything=1", ""), 200, "PONG")
}
