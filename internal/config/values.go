package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Environment makes a map of the lines of os.Environ.
func Environment(lines []string) map[string]string {
	m := make(map[string]string, len(lines))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		m[name] = value
	}
	return m
}

// given is what the environment sets, by the name of the variable.
type given struct {
	values map[string]string
	files  map[string]string // where a value is from, if that is a file
	unused map[string]bool   // what is set and may be a secret in the wrong place
	bad    map[string]bool   // what something was said of
}

// readValues reads the variables that are set, and returns what is wrong with that.
// RS_X_FILE names a file that holds the value of RS_X, unless that is a file's name itself.
func readValues(environ map[string]string) (g given, problems []string) {
	g = given{map[string]string{}, map[string]string{}, map[string]bool{}, map[string]bool{}}
	for _, f := range variables() {
		value, set := environ[f.name]
		if path, ok := environ[f.name+"_FILE"]; ok && path != "" {
			if f.path {
				problems = append(problems, fmt.Sprintf("%s_FILE is set, but %s is itself the name of a file: set %s", f.name, f.name, f.name))
				continue
			}
			if set {
				problems = append(problems, fmt.Sprintf("%s and %s_FILE are both set; only one can be", f.name, f.name))
			}
			g.files[f.name] = path
			text, err := fileText(path)
			if err != nil {
				g.bad[f.name+"_FILE"] = true
				problems = append(problems, fmt.Sprintf("%s_FILE: %v", f.name, err))
				continue
			}
			value = text
		}
		if f.path && strings.Contains(value, "-----BEGIN ") {
			problems = append(problems, fmt.Sprintf("%s holds a certificate or a key itself; it must be the name of a file with it", f.name))
			g.unused[f.name] = true
			continue
		}
		if value != "" { // an empty variable is as good as none
			g.values[f.name] = value
		}
	}
	return g, problems
}

// inWords says which variable an error of the env library is about, and what is
// wrong with it. Values are quoted only where they cannot be secrets.
func inWords(err error, values map[string]string) (name, problem string) {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return "", err.Error()
	}
	for _, f := range variables() {
		if f.field != parse.Name {
			continue
		}
		must := "a whole number"
		switch parse.Type {
		case reflect.TypeFor[time.Duration]():
			must = "a duration, as in 500ms or 2s"
		case reflect.TypeFor[bool]():
			must = "true or false"
		}
		return f.name, fmt.Sprintf("%s is %q; it must be %s", f.name, values[f.name], must)
	}
	return "", err.Error()
}

// fileText reads the file of a value, without the byte order mark that editors on
// Windows put before a text, and without the line breaks behind it.
func fileText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return "", fmt.Errorf("%s is in UTF-16; save it as UTF-8", path)
	}
	return strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), "\r\n"), nil
}
