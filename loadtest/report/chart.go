package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The palette of Okabe and Ito, which readers who confuse colours can tell apart,
// without its yellow, which white paper swallows.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#7f7f7f", "#e69f00", "#000000"}

// dashes set lines apart once all colours are used.
var dashes = []string{"", "7 3", "2 3", "9 3 2 3"}

// line is one curve of a chart.
type line struct {
	name   string
	style  int // index into palette and dashes
	x, y   []float64
	titles []string // of the points, shown by a browser; nil: points are not marked
	hollow []bool   // points to mark as not to be trusted
}

// axis maps values to 0..1 and names its ticks.
type axis struct {
	title    string
	from, to float64
	log      bool
	ticks    []tick
}

type tick struct {
	at    float64
	label string // "": a faint line only
}

func (a axis) place(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return min(max((v-from)/(to-from), 0), 1)
}

// chart is one panel.
type chart struct {
	title string
	x, y  axis
	lines []line
}

const (
	marginLeft, marginRight = 74, 28
	marginTop, marginBottom = 30, 46
)

// draw writes the chart into a box.
func (c *chart) draw(b *strings.Builder, left, top, width, height float64) {
	x0, x1 := left+marginLeft, left+width-marginRight
	y0, y1 := top+height-marginBottom, top+marginTop
	px := func(v float64) float64 { return x0 + c.x.place(v)*(x1-x0) }
	py := func(v float64) float64 { return y0 - c.y.place(v)*(y0-y1) }

	fmt.Fprintf(b, `<text x="%s" y="%s" class="t">%s</text>`+"\n", num(x0), num(top+18), escape(c.title))
	for _, t := range c.y.ticks {
		class := "g"
		if t.label == "" {
			class = "f"
		}
		fmt.Fprintf(b, `<path class="%s" d="M%s %sH%s"/>`, class, num(x0), num(py(t.at)), num(x1))
		if t.label != "" {
			fmt.Fprintf(b, `<text x="%s" y="%s" class="n e">%s</text>`, num(x0-7), num(py(t.at)+4), t.label)
		}
	}
	for _, t := range c.x.ticks {
		fmt.Fprintf(b, `<path class="g" d="M%s %sV%s"/><text x="%s" y="%s" class="n m">%s</text>`,
			num(px(t.at)), num(y0), num(y1), num(px(t.at)), num(y0+17), t.label)
	}
	fmt.Fprintf(b, "\n"+`<path class="a" d="M%s %sV%sH%s"/>`, num(x0), num(y1), num(y0), num(x1))
	fmt.Fprintf(b, `<text x="%s" y="%s" class="l m">%s</text>`, num((x0+x1)/2), num(y0+37), escape(c.x.title))
	fmt.Fprintf(b, `<text transform="translate(%s %s)rotate(-90)" class="l m">%s</text>`+"\n", num(left+13), num((y0+y1)/2), escape(c.y.title))
	for _, l := range c.lines {
		l.draw(b, px, py)
	}
}

func (l *line) draw(b *strings.Builder, px, py func(float64) float64) {
	if len(l.x) == 0 {
		return
	}
	var d strings.Builder
	for i := range l.x {
		d.WriteByte("ML"[min(i, 1)])
		d.WriteString(num(px(l.x[i])) + " " + num(py(l.y[i])))
	}
	fmt.Fprintf(b, `<path class="c" d="%s" %s/>`+"\n", d.String(), stroke(l.style))
	for i, title := range l.titles {
		fill := palette[l.style%len(palette)]
		if l.hollow[i] {
			fill = "#fff"
		}
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="4" fill="%s" stroke="%s" stroke-width="2"><title>%s</title></circle>`+"\n",
			num(px(l.x[i])), num(py(l.y[i])), fill, palette[l.style%len(palette)], escape(title))
	}
}

func stroke(style int) string {
	s := `stroke="` + palette[style%len(palette)] + `"`
	if dash := dashes[style/len(palette)%len(dashes)]; dash != "" {
		s += ` stroke-dasharray="` + dash + `"`
	}
	return s
}

// latencyAxis spans all values, in milliseconds, with ticks at 1, 2 and 5 of each decade.
func latencyAxis(title string, values []float64) axis {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	a := axis{title: title, log: true, from: step125(low, -1), to: step125(high, 1)}
	if a.from >= a.to {
		a.to = a.from * 10
	}
	// Over more than three decades the labels of 2 and 5 would crowd.
	crowded := a.to/a.from > 2000
	for decade := math.Floor(math.Log10(a.from)) - 1; decade <= math.Log10(a.to)+1; decade++ {
		for digit := 1.0; digit < 10; digit++ {
			v := round(digit*math.Pow(10, decade), 9)
			if v < a.from*0.999 || v > a.to*1.001 {
				continue
			}
			label := ""
			if digit == 1 || !crowded && (digit == 2 || digit == 5) {
				label = duration(v)
			}
			a.ticks = append(a.ticks, tick{v, label})
		}
	}
	return a
}

// step125 is the next of 1, 2, 5, 10... below or above v.
func step125(v float64, direction int) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1, 2, 5, 10}
	if direction > 0 {
		for _, s := range steps {
			if s*decade >= v {
				return s * decade
			}
		}
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i]*decade <= v {
			return steps[i] * decade
		}
	}
	return decade
}

// duration names milliseconds in the unit that reads best.
func duration(ms float64) string {
	switch {
	case ms < 0.9995:
		return short(ms*1000) + " µs"
	case ms < 999.5:
		return short(ms) + " ms"
	}
	return short(ms/1000) + " s"
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
