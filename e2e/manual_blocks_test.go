package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-json"

	"rest-sessions/internal/redistest"
)

// block is a fenced block of code of a page.
type block struct {
	line     int // of the page, where it begins
	language string
	text     string
	notRun   string // why no test runs it, as the comment before it says
}

var notRunComment = regexp.MustCompile(`^<!-- not run: (.+) -->$`)

// blocksOf returns the fenced blocks of a page, without the indent of a list.
func blocksOf(t *testing.T, page string) (blocks []block) {
	t.Helper()
	var open *block
	indent, before := "", ""
	for i, line := range strings.Split(readText(t, page), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		fence := strings.HasPrefix(trimmed, "```")
		switch {
		case open == nil && fence:
			indent = line[:len(line)-len(trimmed)]
			open = &block{line: i + 1, language: strings.TrimPrefix(trimmed, "```")}
			if m := notRunComment.FindStringSubmatch(before); m != nil {
				open.notRun = m[1]
			}
		case open != nil && fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		}
		before = strings.TrimSpace(line)
	}
	if open != nil {
		t.Errorf("%s: the block of line %d has no end", page, open.line)
	}
	return blocks
}

// manualPages are all pages in Markdown that people read.
func manualPages(t *testing.T) (pages []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil || len(pages) < 14 {
		t.Fatalf("the pages are %v, %v", pages, err)
	}
	return pages
}

// TestManualBlocks wants a language of each block of code, JSON that is JSON, and of
// each block of commands that a test runs it, or a comment before it that says why not.
func TestManualBlocks(t *testing.T) {
	for _, page := range manualPages(t) {
		for _, b := range blocksOf(t, page) {
			switch b.language {
			case "":
				t.Errorf("%s:%d: the block has no language; plain text is ```text", page, b.line)
			case "json":
				if !json.Valid([]byte(b.text)) {
					t.Errorf("%s:%d: the block is not JSON", page, b.line)
				}
			case "console", "sh", "bash":
				if strings.HasPrefix(page, "examples") {
					continue // scripts/interop runs the examples
				}
				if strings.HasPrefix(page, "examples") {
					continue // scripts/interop runs the examples
				}
				if run := b.language == "console" && slices.Contains(consolePages, page); run == (b.notRun != "") {
					t.Errorf("%s:%d: a block of commands is either console, on one of the pages %v, or has <!-- not run: REASON --> on the line before it", page, b.line, consolePages)
				}
			}
		}
	}
}

// TestReadmeLength holds README to what a newcomer reads.
func TestReadmeLength(t *testing.T) {
	if lines, most := strings.Count(readText(t, "README.md"), "\n"), 220; lines > most {
		t.Errorf("README.md has %d lines, more than %d", lines, most)
	}
}

// needCommand skips the test if a command is not installed, or fails where the tests of
// Redis would.
func needCommand(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv(redistest.RequireEnv) != "" {
			t.Fatalf("no %s in PATH", name)
		}
		t.Skipf("no %s in PATH: this test needs it (%s=1 makes this a failure)", name, redistest.RequireEnv)
	}
}
