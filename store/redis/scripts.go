package redis

import (
	"embed"
	"fmt"
	"regexp"
	"rest-sessions/store/redis/internal/wire"
	"strings"
)

//go:embed lua
var luaFiles embed.FS

// scripts holds one script for each operation; lua/ says what each takes,
// returns and costs.
type scripts struct {
	create, get, set, kill, rotate, activity *wire.Script
	peek, touch, killhandle                  *wire.Script
	move, carry, arrive, depart, limit       *wire.Script
	soid, soapp, sessions, ages              *wire.Script
	killsoid, killall, wipe, due             *wire.Script
	latest, tokens, time                     *wire.Script
	export, live, there, importing, settle   *wire.Script
	probe                                    *wire.Script
}

// newScripts reads the embedded scripts. clock is the Lua expression that they
// ask for the time; anything but serverClock is for tests.
func newScripts(clock string) *scripts {
	script := func(name string) *wire.Script {
		return wire.NewScript(strings.ReplaceAll(luaSource(name), serverClock, clock))
	}
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

		soid:     script("soid"),
		soapp:    script("soapp"),
		sessions: script("sessions"),
		ages:     script("ages"),
		latest:   script("latest"),
		tokens:   script("tokens"),
		time:     script("time"),
		killsoid: script("killsoid"),
		killall:  script("killall"),
		wipe:     script("wipe"),
		due:      script("due"),

		probe: script("probe"),

		export:    script("export"),
		live:      script("live"),
		there:     script("there"),
		importing: script("import"),
		settle:    script("settle"),
	}
}

// serverClock is Redis' own clock: one for all servers, so that hosts whose
// clocks differ agree on when a session ends.
const serverClock = "redis.call('TIME')"

var includeLine = regexp.MustCompile(`(?m)^-- include (\S+)$`)

// luaSource returns the text of lua/<name>.lua with its include lines replaced by
// the files they name.
func luaSource(name string) string {
	return includeLine.ReplaceAllStringFunc(readLua(name+".lua"), func(line string) string {
		return readLua("include/" + includeLine.FindStringSubmatch(line)[1])
	})
}

func readLua(path string) string {
	text, err := luaFiles.ReadFile("lua/" + path)
	if err != nil {
		panic(fmt.Sprintf("redis: no such script: %v", err)) // a misspelt name; any test finds it
	}
	return string(text)
}
