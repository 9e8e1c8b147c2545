package redis

import (
	"rest-sessions/store/redis/internal/wire"
	"rest-sessions/store/redis/lua"
)

// scripts holds one script for each operation; lua/ says what each takes,
// returns and costs.
type scripts struct {
	create, get, set, kill, rotate, activity *wire.Script
	peek, touch, killhandle                  *wire.Script
	move, carry, arrive, depart, limit       *wire.Script
	scan, sessions, soid, tokens, ages       *wire.Script
	killsoid, killall, wipe, due             *wire.Script
	probe                                    *wire.Script
}

// newScripts reads the embedded scripts. clock is Options.Clock.
func newScripts(clock string) *scripts {
	script := func(name string) *wire.Script { return lua.Script(lua.Files, name, clock) }
	return &scripts{
		create:   script("create"),
		get:      script("get"),
		set:      script("set"),
		kill:     script("kill"),
		rotate:   script("rotate"),
		activity: script("activity"),

		peek:       script("peek"),
		touch:      script("touch"),
		killhandle: script("killhandle"),

		move:   script("move"),
		carry:  script("carry"),
		arrive: script("arrive"),
		depart: script("depart"),
		limit:  script("limit"),

		scan:     script("scan"),
		sessions: script("sessions"),
		soid:     script("soid"),
		tokens:   script("tokens"),
		ages:     script("ages"),
		killsoid: script("killsoid"),
		killall:  script("killall"),
		wipe:     script("wipe"),
		due:      script("due"),

		probe: script("probe"),
	}
}
