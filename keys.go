package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"rest-sessions/handlers"
	"rest-sessions/handlers/apikey"
)

const keysName = "RS_API_KEYS"

// parseKeys reads the keys of a configuration, nil if it names none. The errors quote
// nothing of them. A file that is empty is an error and not a server open to all.
func parseKeys(c config, environ map[string]string) (*apikey.Set, error) {
	if c.APIKeys == "" && environ[keysName+"_FILE"] == "" {
		return nil, nil
	}
	return apikey.Parse(c.APIKeys)
}

// keyProblems says what is wrong with the keys, a sentence each.
func keyProblems(c config, environ map[string]string) []string {
	_, err := parseKeys(c, environ)
	if err == nil {
		return nil
	}
	var problems []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		problems = append(problems, keysName+": "+line)
	}
	return problems
}

// reloadKeys takes the keys of the file that the configuration names as it is now. A
// file that is wrong, or gone, changes nothing.
func reloadKeys(api *handlers.API, environ map[string]string, logf func(format string, args ...any)) {
	path := environ[keysName+"_FILE"]
	if path == "" {
		logf("reload: API keys are as at the start: they come from a file only with %s_FILE", keysName)
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		logf("reload: API keys are as before: %v", err)
		return
	}
	keys, err := apikey.Parse(string(text))
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			logf("reload: API keys are as before: %s: %s", path, line)
		}
		return
	}
	api.SetKeys(keys)
	logf("reload: %s from %s", countKeys(keys), path)
}

func countKeys(keys *apikey.Set) string {
	if keys.Len() == 1 {
		return "1 API key"
	}
	return fmt.Sprintf("%d API keys", keys.Len())
}

// isOpen reports whether programs on other machines can reach addr.
func isOpen(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}
