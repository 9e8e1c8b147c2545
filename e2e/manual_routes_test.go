package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-json"
)

// openAPI is what these tests read of handlers/openapi.json, which the tests of handlers
// hold to what the server does.
type openAPI struct {
	Paths      map[string]map[string]struct{ Parameters []openAPIParameter }
	Components struct {
		Parameters map[string]openAPIParameter
		Schemas    struct {
			Error struct {
				Properties struct{ Name struct{ Enum []string } }
			}
		}
	}
}

type openAPIParameter struct {
	Ref  string `json:"$ref"`
	Name string
	In   string
}

// TestManualRoutes wants docs/api.md to have every route and error of the server, and of
// each route of an app its parameters and an example.
func TestManualRoutes(t *testing.T) {
	var api openAPI
	if err := json.Unmarshal([]byte(readText(t, "handlers/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	text, readme := readText(t, "docs/api.md"), readText(t, "README.md")
	for path, methods := range api.Paths {
		if !strings.Contains(text, path) {
			t.Errorf("docs/api.md leaves out %s", path)
		}
		inApp, ok := strings.CutPrefix(path, "/{app}/")
		if !ok {
			continue
		}
		if !strings.Contains(readme, path) {
			t.Errorf("README.md leaves out %s", path)
		}
		verb, _, _ := strings.Cut(inApp, "/")
		section := sectionOf(text, verb)
		if verb == "rotate" {
			section += sectionOf(text, "A guest becomes a user")
		}
		if !regexp.MustCompile(`(?m)^\$ curl .*localhost:3000/shop/` + verb + `\b`).MatchString(section) {
			t.Errorf("docs/api.md has no example of %s in its section", path)
		}
		for _, method := range methods {
			for _, p := range method.Parameters {
				if p.Ref != "" {
					p = api.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				if p.In == "query" && !regexp.MustCompile("(?m)^\\|[^|]*`"+p.Name+"`").MatchString(section) {
					t.Errorf("docs/api.md leaves out the parameter %s of %s", p.Name, path)
				}
			}
		}
	}
	errors := sectionOf(text, "Errors")
	for _, name := range api.Components.Schemas.Error.Properties.Name.Enum {
		if !strings.Contains(errors, "`"+name+"`") {
			t.Errorf("docs/api.md leaves out the error %s", name)
		}
	}
}

// sectionOf is the text below the heading, to the next one.
func sectionOf(text, title string) string {
	_, rest, _ := strings.Cut(text, "# "+title+"\n")
	section, _, _ := strings.Cut(rest, "\n#")
	return section
}
