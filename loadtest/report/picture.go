package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"rest-sessions/loadtest/stats"
)

const (
	panelWidth, panelHeight = 500, 330
	pictureTop              = 84 // title, what was run, legend
	// panelsMost: of more rates, the lowest, the highest and some between are drawn.
	panelsMost = 5
)

const style = `text{font-family:"DejaVu Sans",Verdana,"Segoe UI",sans-serif;fill:#222}
.h{font-size:17px;font-weight:bold}.s{font-size:11.5px;fill:#555}.t{font-size:13px;font-weight:bold}
.n{font-size:11px;fill:#444}.l{font-size:11.5px;fill:#444}.m{text-anchor:middle}.e{text-anchor:end}
.g{stroke:#d8d8d8;fill:none}.f{stroke:#f0f0f0;fill:none}.a{stroke:#777;fill:none}
.c{fill:none;stroke-width:2;stroke-linejoin:round}`

// SVG is the picture: percentile curves, a panel a rate (of one server: all rates
// in one panel), and throughput against p99.
func (s *Summary) SVG() string {
	panels, legend := s.panels()
	columns := min(2, len(panels))
	rows := (len(panels) + columns - 1) / columns
	width, height := columns*panelWidth+16, pictureTop+rows*panelHeight+8
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", escape(s.Title()), style)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="18" y="27" class="h">%s</text><text x="18" y="46" class="s">%s</text>`+"\n", escape(s.Title()), escape(s.Subtitle()))
	x := 18.0
	for i, name := range legend {
		fmt.Fprintf(&b, `<path class="c" d="M%s 66h28" %s/><text x="%s" y="70" class="l">%s</text>`+"\n", num(x), stroke(i), num(x+34), escape(name))
		x += 34 + 7.5*float64(len([]rune(name))) + 24
	}
	for i := range panels {
		left, top, wide := float64(i%columns*panelWidth), float64(pictureTop+i/columns*panelHeight), float64(panelWidth)
		if i == len(panels)-1 && i%columns == 0 {
			wide *= float64(columns) // no hole beside the last one
		}
		panels[i].draw(&b, left+4, top, wide, panelHeight)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// Title names the picture.
func (s *Summary) Title() string {
	of := ""
	if len(s.Servers) == 1 {
		of = " of " + s.Servers[0].Name
	}
	return "Latency" + of + " at fixed arrival rates (open loop)"
}

// Subtitle is what was run.
func (s *Summary) Subtitle() string {
	mix := strings.NewReplacer("=", " ", ",", ", ").Replace(s.Mix)
	return fmt.Sprintf("%s; %s sessions, %s choice; %g s a step, rounds: %d; %s; %s",
		mix, thousands(s.Sessions), s.Choice, s.Seconds, s.Rounds, s.Machine, s.Started.Format("2006-01-02"))
}

func (s *Summary) panels() (panels []chart, legend []string) {
	rates := s.Servers[0].Steps
	var latencies []float64
	s.each(func(server Server, i int) {
		for _, p := range server.Steps[i].Curve {
			latencies = append(latencies, p.Latency)
		}
	})
	// One scale for all panels: they are read side by side.
	y := latencyAxis("latency", latencies)
	if len(s.Servers) == 1 {
		c := chart{title: "Latency by percentile, at each rate", x: percentileAxis(), y: y}
		for i, step := range rates {
			legend = append(legend, thousands(step.Rate)+"/s")
			c.lines = append(c.lines, curve(step, i))
		}
		t := s.throughput()
		// Colours mean rates here, so the one server's line is neutral.
		t.lines[0].style = len(palette) - 1
		return []chart{c, t}, legend
	}
	for _, server := range s.Servers {
		legend = append(legend, server.Name)
	}
	for _, i := range spread(len(rates), panelsMost) {
		c := chart{title: thousands(rates[i].Rate) + " requests/s", x: percentileAxis(), y: y}
		for n, server := range s.Servers {
			c.lines = append(c.lines, curve(server.Steps[i], n))
		}
		panels = append(panels, c)
	}
	return append(panels, s.throughput()), legend
}

func curve(step Step, style int) line {
	l := line{style: style}
	for _, p := range step.Curve {
		l.x = append(l.x, stats.Position(p.Percentile))
		l.y = append(l.y, p.Latency)
	}
	return l
}

func percentileAxis() axis {
	a := axis{title: "percentile of requests", from: stats.Position(50), to: stats.Position(99.99)}
	for _, p := range []float64{50, 75, 90, 95, 99, 99.9, 99.99} {
		a.ticks = append(a.ticks, tick{stats.Position(p), strconv.FormatFloat(p, 'f', -1, 64) + "%"})
	}
	return a
}

// throughput is right answers a second against p99: where a line turns upward,
// the server is at its limit.
func (s *Summary) throughput() chart {
	c := chart{title: "Throughput against p99", x: axis{title: "right answers per second"}}
	var p99s []float64
	for n, server := range s.Servers {
		l := line{style: n, name: server.Name}
		for _, step := range server.Steps {
			if step.Timed == 0 {
				continue
			}
			c.x.to = max(c.x.to, step.Throughput)
			p99s = append(p99s, step.P99)
			l.x, l.y = append(l.x, step.Throughput), append(l.y, step.P99)
			l.hollow = append(l.hollow, !step.KeptUp())
			l.titles = append(l.titles, fmt.Sprintf("%s, %d/s asked: %.0f/s right, p50 %s, p99 %s, %d failed",
				server.Name, step.Rate, step.Throughput, duration(step.P50), duration(step.P99), step.Failed))
		}
		c.lines = append(c.lines, l)
	}
	c.y = latencyAxis("p99 latency", p99s)
	width := step125(max(c.x.to, 1)/6, 1)
	c.x.to = max(math.Ceil(c.x.to*1.03/width), 1) * width
	for i := 0; float64(i)*width <= c.x.to; i++ {
		c.x.ticks = append(c.x.ticks, tick{float64(i) * width, thousands(int(float64(i) * width))})
	}
	return c
}

// spread picks most of n indices, first and last among them.
func spread(n, most int) []int {
	var picked []int
	for i := range min(n, most) {
		if n <= most {
			picked = append(picked, i)
		} else {
			picked = append(picked, i*(n-1)/(most-1))
		}
	}
	return picked
}

// thousands writes 12000 as 12,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
