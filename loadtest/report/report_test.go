package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"rest-sessions/loadtest/load"
)

// sample is a summary of names at rates, each with a plausible curve.
func sample(rates []int, names ...string) *Summary {
	s := &Summary{Started: time.Unix(1_800_000_000, 0).UTC(), Machine: "2 CPUs", Mix: "get=1", Choice: "zipf", Sessions: 10_000, Seconds: 10, Rounds: 2}
	for n, name := range names {
		server := Server{Name: name, URL: "http://127.0.0.1:3000", Checked: true}
		for _, rate := range rates {
			step := Step{Rate: rate, Sent: float64(rate), Throughput: float64(rate), Tally: Tally{Requests: rate}, Kinds: map[string]Latency{}}
			step.Latency = Latency{Timed: rate, P50: 0.2 * float64(n+1), P99: float64(n+1) * float64(rate) / 1000, Max: 9}
			for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
				step.Curve = append(step.Curve, Point{p, 0.1 * float64(n+1) * math.Pow(10, p/50)})
			}
			server.Steps = append(server.Steps, step)
		}
		s.Servers = append(s.Servers, server)
	}
	return s
}

func TestPictureIsXMLAndWhole(t *testing.T) {
	for _, s := range []*Summary{
		sample([]int{500}, "one"),
		sample([]int{500, 1000, 2000, 4000, 8000, 16000, 32000}, "one"),
		sample([]int{500, 1000}, "one", `<b>&"two"`),
		sample([]int{1, 2, 3, 4, 5, 6, 7, 8, 9}, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
		{Servers: []Server{{Name: "empty", Steps: []Step{{Rate: 10}}}}},
	} {
		svg := s.SVG()
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("a number is none:\n%s", svg)
		}
		if len(svg) > 300<<10 {
			t.Errorf("%d bytes", len(svg))
		}
		for _, server := range s.Servers {
			if len(s.Servers) > 1 && !strings.Contains(svg, ">"+escape(server.Name)+"</text>") {
				t.Errorf("%s is not in the legend", server.Name)
			}
		}
	}
}

func TestPageNeedsNoNetwork(t *testing.T) {
	s := sample([]int{500, 1000}, "hello", "ours <script>")
	s.Servers[1].Steps[0].Wrong, s.Servers[1].Steps[0].Failed = 1, 1
	s.Servers[1].Steps[0].Examples = []string{"get: <html>"}
	var page bytes.Buffer
	if err := s.HTML(&page); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	if found := regexp.MustCompile(`(?i)(src|href)=|url\(|@import|<script`).FindString(text); found != "" {
		t.Errorf("the page has %q", found)
	}
	for _, want := range []string{"Ratios to hello", "get: &lt;html&gt;", "<svg", "1,000", "0 failed in all", "1 failed in all"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTable(t *testing.T) {
	s := sample([]int{500, 1000}, "hello", "ours")
	s.Servers[1].Steps[1].Sent = 800
	var out bytes.Buffer
	s.Table(&out)
	for _, want := range []string{"!800", "ratios to hello", `1000\s+ours\s+2\.00\s+2\.00\s+1\.00\s+0 to 0`} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("the table lacks %s:\n%s", want, out.String())
		}
	}
}

func TestThresholds(t *testing.T) {
	strict := Limits{P99: time.Second}
	for name, c := range map[string]struct {
		limits Limits
		change func(*Server)
		broken string
	}{
		"nothing":      {strict, func(*Server) {}, ""},
		"slow":         {strict, func(s *Server) { s.Steps[1].P99 = 1001 }, "1000/s: p99 is 1001.00 ms, over 1s"},
		"slow, no max": {Limits{}, func(s *Server) { s.Steps[1].P99 = 1001 }, ""},
		"error":        {strict, func(s *Server) { s.Steps[0].Failed = 1 }, "500/s: 1 of 500 requests failed"},
		"few errors":   {Limits{Errors: 0.01}, func(s *Server) { s.Steps[0].Failed = 5 }, ""},
		"more errors":  {Limits{Errors: 0.01}, func(s *Server) { s.Steps[0].Failed = 6 }, "6 of 500"},
		"at the end":   {strict, func(s *Server) { s.Audit.Failed = 1 }, "reading all once more: 1 of"},
		"wrong":        {Limits{Errors: 1}, func(s *Server) { s.Audit.Wrong, s.Audit.Failed = 1, 1; s.Audit.Requests = 9 }, "1 wrong answers"},
		"none allowed": {Limits{Errors: -1, Wrong: -1}, func(s *Server) { s.Audit.Wrong, s.Audit.Failed = 1, 1 }, ""},
		"not measured": {strict, func(s *Server) { s.Steps[0].Timed = 0 }, "nothing was measured"},
		"yardstick":    {strict, func(s *Server) { s.Checked = false; s.Steps[0].Failed = 9 }, ""},
	} {
		s := sample([]int{500, 1000}, "ours")
		c.change(&s.Servers[0])
		broken := strings.Join(c.limits.judge(s).Broken, "; ")
		if (broken == "") != (c.broken == "") || !strings.Contains(broken, c.broken) {
			t.Errorf("%s: broken is %q, want %q", name, broken, c.broken)
		}
	}
}

func TestSummaryOfARun(t *testing.T) {
	c := &load.Config{Mix: load.WebMix, Duration: 10 * time.Second, Rounds: 2}
	s := New(c, []*load.Server{{Target: load.Target{Name: "ours", Check: true}}}, time.Now(), "here", Limits{})
	text, err := json.Marshal(s)
	if err != nil || !bytes.Contains(text, []byte(`"mix":"get=90,set=6,create=2,kill=1,soid=1"`)) || !bytes.Contains(text, []byte(`"broken":[]`)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLatencyAxis(t *testing.T) {
	a := latencyAxis("", []float64{0.13, 18})
	if a.from != 0.1 || a.to != 20 {
		t.Errorf("from %v to %v", a.from, a.to)
	}
	var labels []string
	for _, tick := range a.ticks {
		if tick.label != "" {
			labels = append(labels, tick.label)
		}
	}
	if got := strings.Join(labels, " "); got != "100 µs 200 µs 500 µs 1 ms 2 ms 5 ms 10 ms 20 ms" {
		t.Error(got)
	}
	if a.place(0.1) != 0 || a.place(20) != 1 || math.Abs(a.place(math.Sqrt(2))-0.5) > 1e-9 {
		t.Error("the scale is not logarithmic")
	}
}
