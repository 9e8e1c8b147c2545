// Package lua holds the scripts of the engine, and makes one script of a file and the
// files that it includes. What a script takes, returns and costs stands at its head.
package lua

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"rest-sessions/store/redis/internal/wire"
)

// Files holds each script, and under include/ what several of them share.
//
//go:embed *.lua include
var Files embed.FS

// ServerClock is the clock of Redis, as scripts ask for it: one for all servers, so
// that hosts whose clocks differ agree on when a session ends.
const ServerClock = "redis.call('TIME')"

var includeLine = regexp.MustCompile(`(?m)^-- include (\S+)$`)

// Script makes the script of a file name.lua. clock is the Lua expression that takes the
// place of ServerClock, which "" keeps.
func Script(files fs.FS, name, clock string) *wire.Script {
	text := Source(files, name)
	if clock != "" {
		text = strings.ReplaceAll(text, ServerClock, clock)
	}
	return wire.NewScript(text)
}

// Source returns the text of a file name.lua, its include lines replaced by the files
// that they name, which are all in Files. It panics if there is no such file.
func Source(files fs.FS, name string) string {
	return includeLine.ReplaceAllStringFunc(read(files, name+".lua"), func(line string) string {
		return read(Files, "include/"+includeLine.FindStringSubmatch(line)[1])
	})
}

func read(files fs.FS, path string) string {
	text, err := fs.ReadFile(files, path)
	if err != nil {
		panic(fmt.Sprintf("redis: no such script: %v", err)) // a misspelt name; any test finds it
	}
	return string(text)
}
