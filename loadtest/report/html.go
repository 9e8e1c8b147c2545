package report

import (
	"fmt"
	"html/template"
	"io"
)

// The page holds all it shows: no script, no address to fetch from.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"ms":     duration,
	"number": func(v float64) string { return thousands(int(v + 0.5)) },
	"mib":    func(n uint64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) },
	"failed": func(s Server) string {
		failed, wrong := s.Failed()
		return fmt.Sprintf("%d failed in all, %d of them wrong", failed, wrong)
	},
}).Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; }
table { border-collapse: collapse; font-size: 13px; } .wide { overflow-x: auto; }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:nth-child(2), td:nth-child(2) { text-align: left; } tr.first td { border-top: 2px solid #999; }
.bad { color: #b00020; font-weight: bold; } .good { color: #00693e; font-weight: bold; } .note { color: #555; }
svg { max-width: 100%; height: auto; } li { overflow-wrap: anywhere; }
</style>
<h1>{{.Title}}</h1>
<p>{{.Subtitle}}; seed {{.Seed}}</p>
{{if .Thresholds.Broken}}<p class="bad">Thresholds broken:</p>
<ul>{{range .Thresholds.Broken}}<li class="bad">{{.}}</li>{{end}}</ul>
{{else}}<p class="good">All thresholds held.</p>{{end}}
<ul>{{range .Servers}}<li><b>{{.Name}}</b> at {{.URL}}: {{if .Checked}}{{failed .}}{{else}}a yardstick, whose answers are not read{{end}}</li>{{end}}</ul>
{{.Picture}}
<p class="note">The percentile axis is stretched towards its end, where the slow requests are; a curve ends where less than one request is
above. Points that are hollow: the rate that was asked for was not sent, since the server or the load generator could not keep up.</p>
<h2>Figures</h2>
<div class="wide"><table>
<tr><th>asked/s<th>server<th>sent/s<th>right/s<th>p50<th>p90<th>p99<th>p99.9<th>max<th>failed<th>wrong<th>lag p99<th>MiB in<th>MiB out</tr>
{{range .Rows}}<tr{{if .First}} class="first"{{end}}><td>{{.Rate}}<td>{{.Server.Name}}<td{{if not .KeptUp}} class="bad"{{end}}>{{number .Sent}}<td>{{number .Throughput}}<td>{{ms .P50}}<td>{{ms .P90}}<td>{{ms .P99}}<td>{{ms .P999}}<td>{{ms .Max}}<td{{if .Failed}} class="bad"{{end}}>{{.Failed}}<td{{if .Wrong}} class="bad"{{end}}>{{.Wrong}}<td>{{ms .Lag}}<td>{{mib .BytesIn}}<td>{{mib .BytesOut}}</tr>
{{end}}</table></div>
<p class="note">Lag is how late the load generator sent, against its schedule. Where it is longer than p99, the machine was short of
CPU, and the figures are as much the generator's as the server's.</p>
{{if .Compared}}<h2>Ratios to {{(index .Servers 0).Name}}</h2>
<table><tr><th>asked/s<th>server<th>p50<th>p99<th>right/s<th>failed</tr>
{{range .Compared}}<tr><td>{{.Rate}}<td>{{.Server.Name}}<td>{{printf "%.2f" .Ratio.P50}}<td>{{printf "%.2f" .Ratio.P99}}<td>{{printf "%.2f" .Ratio.Throughput}}<td>{{.Ratio.Errors}}</tr>
{{end}}</table>{{end}}
<h2>By kind of request</h2>
<table><tr><th>asked/s<th>server<th>kind<th>requests<th>p50<th>p99<th>p99.9<th>max</tr>
{{range $row := .Rows}}{{range $kind, $l := .Kinds}}<tr><td>{{$row.Rate}}<td>{{$row.Server.Name}}<td>{{$kind}}<td>{{$l.Timed}}<td>{{ms $l.P50}}<td>{{ms $l.P99}}<td>{{ms $l.P999}}<td>{{ms $l.Max}}</tr>
{{end}}{{end}}</table>
<h2>Rounds</h2>
<p class="note">A difference between servers that is smaller than that between one server's rounds means nothing.</p>
<table><tr><th>asked/s<th>server<th>p50 of each round<th>p99 of each round</tr>
{{range .Rows}}<tr><td>{{.Rate}}<td>{{.Server.Name}}<td>{{range .RoundP50}}{{ms .}} {{end}}<td>{{range .RoundP99}}{{ms .}} {{end}}</tr>
{{end}}</table>
{{range .Servers}}{{with .Examples}}<h2>Failures</h2><ul>{{range .}}<li><code>{{.}}</code></li>{{end}}</ul>{{end}}{{end}}
`))

type row struct {
	Step
	Server Server
	Ratio  Ratio
	First  bool // of its rate
}

// HTML writes the page.
func (s *Summary) HTML(w io.Writer) error {
	var rows, compared []row
	for i, first := range s.Servers[0].Steps {
		for n, server := range s.Servers {
			r := row{Step: server.Steps[i], Server: server, First: n == 0, Ratio: s.Ratios(n, i)}
			rows = append(rows, r)
			if n > 0 && first.Timed > 0 {
				compared = append(compared, r)
			}
		}
	}
	return page.Execute(w, struct {
		*Summary
		Picture        template.HTML // made by SVG, which escapes what it is given
		Rows, Compared []row
	}{s, template.HTML(s.SVG()), rows, compared})
}
