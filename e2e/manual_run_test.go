package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// consolePages are the pages whose console blocks a test runs, all blocks of a page in
// one shell session against one server.
var consolePages = []string{"README.md", "docs/api.md", "docs/recipes.md"}

// TestManualConsole runs the commands of these pages and wants the answers they show.
func TestManualConsole(t *testing.T) {
	needCommand(t, "curl")
	for _, page := range consolePages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			commands := runConsole(t, page)
			if least := 5; len(commands) < least {
				t.Errorf("only %d commands were found", len(commands))
			}
		})
	}
}

// What differs from one run to the next: tokens, handles, cursors and times.
var (
	consoleName  = regexp.MustCompile(`[A-Za-z0-9]{64}|"[A-Za-z0-9]{22}"|"cursor":"[A-Za-z0-9_-]+"`)
	consoleClock = regexp.MustCompile(`"(idle|created|expires)":\d+`)
)

// runConsole runs the console blocks of a page against a server of its own, wants the
// answers that stand below the commands, and returns the commands.
func runConsole(t *testing.T, page string) (commands []string) {
	p := start(t, "RS_STORE=embedded")
	real := map[string]string{} // what stands here for a name that the page shows
	token := ""
	for _, block := range blocksOf(t, page) {
		if block.language != "console" || block.notRun != "" {
			continue
		}
		for _, c := range strings.Split("\n"+block.text, "\n$ ")[1:] {
			line, want, _ := strings.Cut(c, "\n")
			if shown, ok := strings.CutPrefix(line, "TOKEN="); ok {
				if token = real[shown]; token == "" {
					t.Errorf("TOKEN is not what a command before it answered: %s", shown)
				}
				continue
			}
			commands = append(commands, line)
			line = strings.ReplaceAll(line, "localhost:3000", strings.TrimPrefix(p.url, "http://"))
			for shown, here := range real {
				line = strings.ReplaceAll(line, shown, here)
			}
			shell := exec.Command("sh", "-c", line)
			shell.Env = append(os.Environ(), "TOKEN="+token)
			out, err := shell.Output()
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			want = strings.TrimSpace(want)
			if got := asShown(strings.TrimSpace(string(out)), want, real); got != want {
				t.Errorf("%s\nanswers %s\nnot     %s", line, got, want)
			}
		}
	}
	return commands
}

// asShown returns an answer with the names that the page shows for what stands in it, which
// it learns from want, and the times of want.
func asShown(got, want string, real map[string]string) string {
	shown, here := consoleName.FindAllString(want, -1), consoleName.FindAllString(got, -1)
	for i := range min(len(shown), len(here)) {
		name, value := bareName(shown[i]), bareName(here[i])
		if real[name] == "" {
			real[name] = value
		}
		got = strings.ReplaceAll(got, real[name], name)
	}
	times := consoleClock.FindAllString(want, -1)
	return consoleClock.ReplaceAllStringFunc(got, func(now string) string {
		if len(times) == 0 {
			return now
		}
		then := times[0]
		times = times[1:]
		if before, _, _ := strings.Cut(then, ":"); !strings.HasPrefix(now, before+":") {
			return now
		}
		return then
	})
}

func bareName(match string) string { return strings.Trim(strings.TrimPrefix(match, `"cursor":`), `"`) }
