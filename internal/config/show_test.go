package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecretsAreMarked wants every variable that may hold a secret to have the tag, and no
// tag of another kind than there are.
func TestSecretsAreMarked(t *testing.T) {
	safe := []string{"RS_TLS_KEY", "RS_REDIS_KEY"} // names of files
	for _, v := range variables() {
		if regexp.MustCompile("PASSWORD|KEY|SECRET|TOKEN|URL").MatchString(v.name) && v.secret == "" && !slices.Contains(safe, v.name) {
			t.Errorf("%s may hold a secret: give it the tag secret, or name it here", v.name)
		}
		if slices.Contains(safe, v.name) && !v.path {
			t.Errorf("%s is not the name of a file", v.name)
		}
		if !slices.Contains([]string{"", "true", "url", "keys", "host"}, v.secret) {
			t.Errorf("%s has the tag secret:%q", v.name, v.secret)
		}
		if v.secret == "" {
			continue
		}
		for _, value := range []string{"opensesame@", "redis://opensesame", "web:opensesame" + aKey, ":opensesame@db", "sesame ? # @"} {
			if got := v.shown(value); v.secret != "host" && strings.Contains(got, "sesame") && !strings.HasPrefix(got, "redis://opensesame") {
				t.Errorf("%s=%s is shown as %s", v.name, value, got)
			}
		}
	}
}
