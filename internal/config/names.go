package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rest-sessions/internal/nearest"
)

// injected are the names that Docker links and Kubernetes services set, of a service
// whose name begins with rs: they are nobody's misspelling.
var injected = regexp.MustCompile(`^RS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP)(_(ADDR|PORT|PROTO|START|END))?|ENV_.+)$`)

// isInjected reports whether name and value come from a service or link and not from the user.
func isInjected(name, value string) bool {
	return injected.MatchString(name) ||
		strings.HasSuffix(name, "_NAME") && strings.HasPrefix(value, "/") || // of a Docker link
		strings.HasSuffix(name, "_PORT") && (strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://"))
}

// unknownNames says of each RS_ name in the environment that means nothing here which
// one may be meant, if one is near. What it was to protect would be open without a word.
func unknownNames(environ map[string]string) (problems []string) {
	var known []string
	for _, v := range variables() {
		known = append(known, v.name)
		if !v.path {
			known = append(known, v.name+"_FILE")
		}
	}
	for name, value := range environ {
		if !strings.HasPrefix(name, "RS_") || slices.Contains(known, name) || isInjected(name, value) ||
			slices.Contains(known, strings.TrimSuffix(name, "_FILE")) { // of a path, parseConfig says more
			continue
		}
		hint := "--help prints all"
		if near := nearest.Of(name, known); near != "" {
			hint = "the nearest is " + near + ", and " + hint
		}
		problems = append(problems, fmt.Sprintf("there is no variable %s; %s", name, hint))
	}
	slices.Sort(problems)
	return problems
}
