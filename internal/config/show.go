package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"rest-sessions/handlers/apikey"
	"rest-sessions/store/redis"
)

// hidden stands for a secret.
const hidden = "(hidden)"

// mostAligned is the width of the longest setting that the comments of others line up
// behind.
const mostAligned = 48

// Print prints a line a variable, with where its value is from, and without secrets. It
// returns what is wrong with them.
func Print(w io.Writer, environ map[string]string) (problems []string) {
	c, problems := Parse(environ)
	given, _ := readValues(environ)
	settings := make([]string, 0, len(variables()))
	width := 0
	for _, v := range variables() {
		value, _ := given.valueOf(v)
		setting := v.name + "=" + v.shown(value)
		settings = append(settings, setting)
		if len(setting) <= mostAligned {
			width = max(width, len(setting))
		}
	}
	for i, v := range variables() {
		_, from := given.valueOf(v)
		switch {
		case v.name == "RS_STORE" && c.Store == "auto" && len(problems) == 0:
			engine, why := c.Engine()
			from += fmt.Sprintf(": %s, since %s", engine, why)
		case (v.name == "RS_REDISHOST" || v.name == "RS_REDISPORT") && c.RedisURL != "":
			from += ", not used, since RS_REDIS_URL is set"
		}
		fmt.Fprintf(w, "%-*s  # %s\n", width, settings[i], from)
	}
	return problems
}

// valueOf returns the value of a variable, and where it is from.
func (g given) valueOf(v variable) (value, from string) {
	value, set := g.values[v.name]
	path, file := g.files[v.name]
	switch {
	case g.unused[v.name]:
		return hidden, "environment"
	case file && !set:
		return "", "file " + path + ", of which nothing is used"
	case file:
		return value, "file " + path
	case set:
		return value, "environment"
	}
	// What an empty value means is the end of the help.
	_, means, _ := strings.Cut(v.help, "; default: ")
	if means != "" {
		means = ": " + means
	}
	return v.def, "default" + means
}

// shown is a value without what is secret in it, as the tag secret says: the whole (true),
// the passwords of a URL, the keys of a list of API keys, or what is no host.
func (v variable) shown(value string) string {
	if value == "" {
		return ""
	}
	switch v.secret {
	case "":
	case "url":
		value = redis.HidePasswords(value)
	case "keys":
		value = shownKeys(value)
	case "host":
		if _, _, port := cutPort(value); !port && !isHost(value) {
			value = hidden
		}
	default:
		value = hidden
	}
	if quoted := strconv.Quote(value); quoted[1:len(quoted)-1] != value || strings.TrimSpace(value) != value {
		return quoted
	}
	return value
}

// shownKeys are the names, apps and roles of API keys.
func shownKeys(list string) string {
	keys, err := apikey.Parse(list)
	if err != nil {
		return hidden
	}
	names := make([]string, 0, keys.Len())
	for key := range keys.All() {
		names = append(names, key.String()+":"+hidden)
	}
	return strings.Join(names, " ")
}
