package console

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestJSON reads texts by the page's own reader, as they are.
func TestJSON(t *testing.T) {
	t.Parallel()
	b := openTab(t, startSite(t).origin, "/console")
	for text, want := range map[string]string{
		`{}`:                             `{}`,
		`[]`:                             `[]`,
		`9007199254740993`:               `9007199254740993`,
		`"a\"\\"`:                        `"a\"\\"`,
		`{"a":1,"a":[1,{"b":null}]}`:     "{\n  \"a\": 1,\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ]\n}",
		`{"\u0061\/":"\ud83d\ude00,]}"}`: "{\n  \"\\u0061\\/\": \"\\ud83d\\ude00,]}\"\n}",
	} {
		quoted, _ := json.Marshal(text)
		if got := eval[string](b, `import("/console/json.js").then(({ indent }) => indent(`+string(quoted)+`))`); got != want {
			t.Errorf("%s becomes\n%s\nnot\n%s", text, got, want)
		}
	}
	for _, text := range []string{``, `{`, `[1`, `"a`, `{"a"`, `{"a":`, `[,`} {
		quoted, _ := json.Marshal(text)
		if got := eval[string](b, `import("/console/json.js").then(({ parse }) => { try { return "none: " + JSON.stringify(parse(`+string(quoted)+`)) } catch (e) { return e.name } })`); got != "SyntaxError" {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// TestPrometheus reads metrics by the page's own reader, and what it makes of them.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	b := openTab(t, startSite(t).origin, "/console")
	for expression, want := range map[string]string{
		`parse('a 1\n# a 2\n\nb{x="1",y="a\\\\b\\"c\\nd,}"} +Inf 123\nb{x="2"} NaN\nnonsense\n').get("b")`: `[{"name":"b","labels":{"x":"1","y":"a\\b\"c\nd,}"},"value":null},{"name":"b","labels":{"x":"2"},"value":null}]`,
		`valueOf(parse('a 1.5e-3'), "a")`: `0.0015`,
		// 10 in (0, 1], 80 in (1, 2], 10 above: half of all is in the middle of the second.
		`quantile(0.5, { buckets: new Map([[1, 10], [2, 90], [Infinity, 100]]) })`:                 `1.5`,
		`quantile(0.05, { buckets: new Map([[1, 10], [2, 90], [Infinity, 100]]) })`:                `0.5`,
		`quantile(0.99, { buckets: new Map([[1, 10], [2, 90], [Infinity, 100]]) })`:                `2`,
		`quantile(0.99, { buckets: new Map([[1, 0], [2, 0], [4, 8], [Infinity, 8]]) }).toFixed(2)`: `"3.98"`,
		`quantile(0.5, { buckets: new Map([[1, 0], [Infinity, 0]]) })`:                             `null`,
		`quantile(0.5, { buckets: new Map() })`:                                                    `null`,
		`[...histograms(parse('h_bucket{r="a",s="1",le="1"} 2\nh_bucket{r="a",s="2",le="1"} 3\nh_bucket{r="b",le="1"} 4\nh_count{r="a"} 5\nh_sum{r="a"} 6'), "h", "r").get("a").buckets]`: `[[1,5]]`,
		`[...since({ buckets: new Map([[1, 5]]), count: 5, sum: 2 }, { buckets: new Map([[1, 3]]), count: 3, sum: 1 }).buckets]`:                                                          `[[1,2]]`,
	} {
		if got := eval[string](b, `import("/console/prometheus.js").then(({ parse, valueOf, quantile, histograms, since }) => JSON.stringify(`+expression+`))`); got != want {
			t.Errorf("%s is %s, not %s", expression, got, want)
		}
	}
	history := func(answers string) string {
		return eval[string](b, `Promise.all([import("/console/figures.js"), import("/console/prometheus.js")]).then(([{ History }, { parse }]) => {
			const h = new History(), said = [];
			for (const [at, start, n] of `+answers+`) {
				const text = 'process_start_time_seconds ' + start + '\nrest_sessions_requests_total{route="/{app}/soapp",status="200"} ' + n +
					'\nrest_sessions_requests_total{route="/{app}/soapp",status="503"} ' + n / 10 + '\nrest_sessions_requests_total{route="/readyz",status="200"} 7\nrest_sessions_requests_total{route="/readyz",status="503"} ' + n / 10;
				const other = h.add(at, parse(text));
				said.push([other, h.several, h.lastMinute()?.requests().perSecond ?? null, h.latest()?.requests().failed ?? null]);
			}
			return JSON.stringify(said);
		})`)
	}
	for answers, want := range map[string]string{
		`[[0, 1, 0], [10, 1, 100], [70, 1, 100], [130, 1, 160]]`: `[[false,false,null,null],[false,false,11,20],[false,false,0,0],[false,false,1.1,12]]`,
		`[[0, 1, 50], [10, 2, 0], [20, 2, 100], [30, 1, 60]]`:    `[[false,false,null,null],[true,false,null,null],[false,false,11,20],[true,true,null,null]]`,
	} {
		if got := history(answers); got != want {
			t.Errorf("of %s it says %s, not %s", answers, got, want)
		}
	}
}

// TestZone shows moments in the browser's time zone, by summer and by winter.
func TestZone(t *testing.T) {
	t.Parallel()
	b := openTab(t, startSite(t).origin, "/console")
	for zone, want := range map[string]string{
		"America/New_York": "1969-12-31T19:00:00-05:00 2026-07-01T08:00:00-04:00 America/New_York",
		"America/St_Johns": "1969-12-31T20:30:00-03:30 2026-07-01T09:30:00-02:30 America/St_Johns",
		"UTC":              "1970-01-01T00:00:00+00:00 2026-07-01T12:00:00+00:00 UTC",
	} {
		call(b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone})
		if got := eval[string](b, `import("/console/format.js").then(({ iso, zone }) => iso(new Date(0)) + " " + iso(new Date("2026-07-01T12:00:00Z")) + " " + zone())`); got != want {
			t.Errorf("in %s: %s, not %s", zone, got, want)
		}
	}
}

// TestFormat shows figures as people read them.
func TestFormat(t *testing.T) {
	t.Parallel()
	b := openTab(t, startSite(t).origin, "/console")
	for expression, want := range map[string]string{
		`duration(0)`: "0 s", `duration(59)`: "59 s", `duration(60)`: "1 min", `duration(3661)`: "1 h 1 min", `duration(90000)`: "1 d 1 h",
		`took(0)`: "0", `took(0.000123456)`: "123 µs", `took(0.0032)`: "3.2 ms", `took(1.5)`: "1.5 s", `took(NaN)`: "–",
		`rate(0)`: "0", `rate(0.01)`: "<0.1", `rate(9.96)`: "10.0", `rate(1234.5)`: "1,235",
		`count(1, "session")`: "1 session", `count(1200, "session")`: "1,200 sessions",
		`visible("a\u0000\u200f\u2028\ud800é😀")`: `a\u0000\u200f\u2028\ud800é😀`,
	} {
		if got := eval[string](b, `import("/console/format.js").then(({ duration, took, rate, count, visible }) => `+expression+`)`); got != want {
			t.Errorf("%s is %q, not %q", expression, got, want)
		}
	}
}
