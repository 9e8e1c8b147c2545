package handlers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPresetNames wants every name of an error, and every reason of a refusal, that the
// source has to be counted from the start.
func TestPresetNames(t *testing.T) {
	var errors, reasons []string
	text := func(e ast.Expr) string {
		if literal, ok := e.(*ast.BasicLit); ok {
			s, _ := strconv.Unquote(literal.Value)
			return s
		}
		return ""
	}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if name, ok := n.Type.(*ast.Ident); !ok || name.Name != "apiError" {
					break
				}
				if len(n.Elts) != 3 {
					t.Errorf("%s: an apiError of %d values; the test expects status, name and message", path, len(n.Elts))
				} else if name := text(n.Elts[1]); name != "" {
					errors = append(errors, name)
				} else if _, copied := n.Elts[1].(*ast.SelectorExpr); !copied {
					t.Errorf("%s: the name of an apiError is neither a text nor another's", path)
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "refused") && i < len(n.Values) {
						reasons = append(reasons, text(n.Values[i]))
					}
				}
			}
			return true
		})
	}
	for _, c := range []struct {
		what          string
		found, preset []string
	}{{"errors", errors, knownErrors}, {"refusals", reasons, refusals}} {
		slices.Sort(c.found)
		want := slices.Compact(c.found)
		got := slices.Sorted(slices.Values(c.preset))
		if !slices.Equal(got, want) || len(want) < 5 {
			t.Errorf("of %s the source has\n%v\nand the preset counters are\n%v", c.what, want, got)
		}
	}
}
