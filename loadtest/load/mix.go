package load

import (
	"fmt"
	"strconv"
	"strings"

	"rest-sessions/loadtest/model"
)

// Mix is how often each kind of request is made: a share for each.
type Mix [model.Kinds]int

// WebMix is the traffic of a site that looks a session up on every page view.
var WebMix = Mix{model.Get: 90, model.Set: 6, model.Create: 2, model.Kill: 1, model.List: 1}

// String is the form that Set takes.
func (m *Mix) String() string {
	var parts []string
	for kind, share := range m {
		if share > 0 {
			parts = append(parts, fmt.Sprintf("%v=%d", model.Kind(kind), share))
		}
	}
	return strings.Join(parts, ",")
}

// Set reads a mix such as get=90,set=10; kinds left out are not made. With
// String it makes *Mix a flag.Value.
func (m *Mix) Set(text string) error {
	var mix Mix
	sum := 0
parts:
	for _, part := range strings.Split(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		share, err := strconv.Atoi(number)
		if err != nil || share < 0 || share > 1_000_000 {
			return fmt.Errorf("%q is not NAME=SHARE", part)
		}
		sum += share
		for kind := range mix {
			if model.Kind(kind).String() == name {
				mix[kind] = share
				continue parts
			}
		}
		return fmt.Errorf("%q is none of get, set, create, kill, soid", name)
	}
	if sum == 0 {
		return fmt.Errorf("nothing to do")
	}
	*m = mix
	return nil
}

// at is the kind that the share number n falls in.
func (m *Mix) at(n int) model.Kind {
	for kind, share := range m {
		if n < share {
			return model.Kind(kind)
		}
		n -= share
	}
	return model.Get
}

func (m *Mix) sum() int {
	sum := 0
	for _, share := range m {
		sum += share
	}
	return sum
}
