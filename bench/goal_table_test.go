package bench

import (
	"fmt"
	"strings"
)

// goalTable is a table of ratios in Markdown.
type goalTable struct{ rows []string }

// side is what is measured, in turn with others. run is nil if it is not there.
type side struct {
	name string
	run  func() figures
}

// inTurn measures sides, by name.
func inTurn(sides ...side) map[string][]figures {
	var names []string
	var runs []func() figures
	for _, s := range sides {
		if s.run != nil {
			names, runs = append(names, s.name), append(runs, s.run)
		}
	}
	all := make(map[string][]figures)
	for i, measured := range takeTurns(runs...) {
		all[names[i]] = measured
	}
	return all
}

// absent says why a side is not there.
var absent = map[string]string{
	"nginx": "`" + peerInstall + "`",
	"old":   "`" + oldEnv + "` names no older server",
}

// A measure is a figure, and the word for it.
type measure struct {
	of   func(figures) float64
	unit string
}

var (
	requests  = measure{rateOf, "requests/s"}
	p50       = measure{p50Of, "us"}
	serverCPU = measure{serverCPUOf, "us"}
	redisTime = measure{redisCPUOf, "us"}
)

// add adds the row of a ratio, with its goal, as ">= 0.9", "<= 1.5", or none.
func (t *goalTable) add(what, goal string, all map[string][]figures, of, against string, m measure) {
	for _, name := range []string{of, against} {
		if all[name] == nil {
			t.rows = append(t.rows, fmt.Sprintf("| %s | %s | left out: %s | | | |", what, goal, absent[name]))
			return
		}
	}
	r := ratios(all[of], all[against], m.of)
	median := r[len(r)/2]
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %.2f | %.2f to %.2f | %s | %.4g / %.4g %s |",
		what, goal, median, r[0], r[len(r)-1], reached(goal, median), middle(all[of], m.of), middle(all[against], m.of), m.unit))
}

// reached says whether a ratio reaches a goal.
func reached(goal string, ratio float64) string {
	var sign string
	var limit float64
	if _, err := fmt.Sscan(goal, &sign, &limit); err != nil {
		return ""
	}
	if sign == ">=" && ratio >= limit || sign == "<=" && ratio <= limit {
		return "yes"
	}
	return "no"
}

func (t *goalTable) String() string {
	return fmt.Sprintf("\n| ratio, median of %d rounds | goal | measured | least to most | reached | medians |\n|---|---|---|---|---|---|\n%s\n",
		rounds, strings.Join(t.rows, "\n"))
}
