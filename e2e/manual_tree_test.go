package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestManualTree wants the tree in docs/design.md to name every top directory and every
// Go package, and everything that the page names to be in the repository.
func TestManualTree(t *testing.T) {
	out, err := exec.Command("git", "ls-files").Output()
	if err != nil {
		t.Skip("this is not a clone: ", err)
	}
	files := map[string]bool{}
	dirs := map[string]bool{}   // with a slash at the end
	needed := map[string]bool{} // of dirs, those that the tree must name
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		files[name] = true
		for i, c := range name {
			if c == '/' {
				dirs[name[:i+1]] = true
			}
		}
		top, _, below := strings.Cut(name, "/")
		if !below {
			continue
		}
		needed[top+"/"] = true
		if strings.HasSuffix(name, ".go") && top != "examples" && top != "scripts" {
			needed[filepath.Dir(name)+"/"] = true
		}
	}
	page := readText(t, "docs/design.md")
	named := treeOf(page)
	for dir := range needed {
		if !named[dir] {
			t.Errorf("the tree in docs/design.md does not name %s", dir)
		}
	}
	for name := range named {
		if !files[name] && !dirs[name] {
			t.Errorf("the tree in docs/design.md names %s, which is not there", name)
		}
	}
	// In the text a name may stand without its directory.
	for _, m := range regexp.MustCompile("`([\\w./]+\\.(?:go|json|md)|[\\w.]+/[\\w./]*)`").FindAllStringSubmatch(page, -1) {
		if !endsOne(files, m[1]) && !endsOne(dirs, strings.TrimSuffix(m[1], "/")+"/") && m[1] != "x_test.go" {
			t.Errorf("docs/design.md names %s, which is not there", m[1])
		}
	}
}

// treeOf returns the names in the first code block of a page, with the directories that
// the indentation puts them in.
func treeOf(page string) map[string]bool {
	names := map[string]bool{}
	_, block, _ := strings.Cut(page, "```text\n")
	block, _, _ = strings.Cut(block, "```")
	var above []string // directories, by indentation
	for line := range strings.Lines(block) {
		text := strings.TrimLeft(line, " ")
		depth := (len(line) - len(text)) / 2
		words, _, _ := strings.Cut(text, "  ") // what follows is the description
		for word := range strings.FieldsSeq(words) {
			names[strings.Join(above[:depth], "")+word] = true
			above = append(above[:depth], word)
		}
	}
	return names
}

// endsOne reports whether a name is one of paths or ends one of them.
func endsOne(paths map[string]bool, name string) bool {
	for path := range paths {
		if path == name || strings.HasSuffix(path, "/"+name) {
			return true
		}
	}
	return false
}
