package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-json"
)

// TestManualLinks wants each link of the manual that leads into the tree to name a
// file, and with a fragment a heading, that is there.
func TestManualLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	checked := 0
	for _, page := range manualPages(t) {
		for _, m := range link.FindAllStringSubmatch(readText(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, fragment, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
				continue
			}
			if fragment != "" && !headings(readText(t, target))[fragment] {
				t.Errorf("%s links to %s, a heading that is not there", page, m[1])
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were found", checked)
	}
}

// TestManualContents wants each page with several sections to begin with links to them.
func TestManualContents(t *testing.T) {
	pages, _ := filepath.Glob("docs/*.md")
	heading := regexp.MustCompile(`(?m)^## (.+)$`)
	for _, page := range pages {
		text := readText(t, page)
		sections := heading.FindAllStringSubmatch(text, -1)
		if len(sections) < 2 {
			continue
		}
		head, _, _ := strings.Cut(text, "\n## ")
		for _, s := range sections {
			if want := "[" + s[1] + "](#" + fragmentOf(s[1]) + ")"; !strings.Contains(head, want) {
				t.Errorf("%s does not begin with %s", page, want)
			}
		}
	}
}

// TestOpenAPIVersion wants handlers/openapi.json to name the server's version.
func TestOpenAPIVersion(t *testing.T) {
	var document struct{ Info struct{ Version string } }
	if err := json.Unmarshal([]byte(readText(t, "handlers/openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	if got := document.Info.Version; got != version {
		t.Errorf("handlers/openapi.json is of version %s, the server of %s", got, version)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// headings are the fragments that GitHub gives the headings of a page.
func headings(text string) map[string]bool {
	found := map[string]bool{}
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if title := strings.TrimLeft(line, "#"); !code && title != line {
			found[fragmentOf(strings.TrimSpace(title))] = true
		}
	}
	return found
}

// fragmentOf is a heading in lower case, spaces as hyphens, without punctuation.
func fragmentOf(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return -1
	}, strings.ToLower(title))
}
