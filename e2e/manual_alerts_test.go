package e2e

import (
	"fmt"
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

const alertsTestFile = "examples/prometheus/alerts_test.yml"

// promtool runs promtool in a directory, and returns what it says.
func promtool(t *testing.T, dir string, args ...string) (said string, err error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil && os.Getenv(redistest.RequireEnv) != "1" {
		t.Skip("no promtool")
	} else if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestAlerts checks the rules and the configuration for Prometheus, and runs the tests of
// the rules, by promtool.
func TestAlerts(t *testing.T) {
	dir := filepath.Dir(alertsFile)
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if said, err := promtool(t, dir, args...); err != nil || !strings.Contains(said, "SUCCESS") {
			t.Errorf("promtool %v: %v\n%s", args, err, said)
		}
	}
	// The file of the key is the user's, so the configuration is checked beside one.
	temp := t.TempDir()
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		if err := os.WriteFile(filepath.Join(temp, name), []byte(readText(t, filepath.Join(dir, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(temp, "rest-sessions.key"), []byte(oldKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := promtool(t, temp, "check", "config", "prometheus.yml"); err != nil {
		t.Errorf("promtool check config: %v\n%s", err, said)
	}
}

// TestAlertsAreDocumented wants each alert to be tested, to say what to do with a link to
// the manual, and to be in its table.
func TestAlertsAreDocumented(t *testing.T) {
	text := readText(t, alertsFile)
	rules := strings.Split(text, "- alert: ")[1:]
	var names []string
	for _, rule := range rules {
		name, _, _ := strings.Cut(rule, "\n")
		names = append(names, name)
		for _, field := range []string{"severity: ", "summary: \"", "description: \"", "runbook: docs/"} {
			if strings.Count(rule, field) != 1 {
				t.Errorf("%s has not one %s", name, field)
			}
		}
		if !strings.Contains(readText(t, alertsTestFile), `alertname="`+name+`"`) {
			t.Errorf("%s has no test", name)
		}
		_, target, _ := strings.Cut(rule, "runbook: ")
		target, _, _ = strings.Cut(target, "\n")
		if page, fragment, ok := strings.Cut(target, "#"); !headings(readText(t, page))[fragment] && ok {
			t.Errorf("%s: there is no %s", name, target)
		}
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(RestSessions[A-Za-z]+)` \\|").FindAllStringSubmatch(section(t, metricsPage, "Alerts"), -1) {
		documented = append(documented, m[1])
	}
	if names = slices.Compact(names); len(names) < 15 || !slices.Equal(documented, names) {
		t.Errorf("the table of %s has the alerts\n%v\nand %s has\n%v", metricsPage, documented, alertsFile, names)
	}
}

// dashboard is what the test looks at in a Grafana dashboard.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			Expr, RefID string
			Datasource  struct{ Type, UID string }
		}
	}
}

// TestDashboard wants the dashboard to be well formed, and promtool to read its queries.
func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(readText(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 39 || len(d.Panels) < 30 {
		t.Errorf("%s: uid %q, title %q, schema %d, %d panels", dashboardFile, d.UID, d.Title, d.SchemaVersion, len(d.Panels))
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if !slices.Equal(variables, []string{"datasource", "job", "instance"}) {
		t.Errorf("the variables are %v", variables)
	}
	interval := strings.NewReplacer("$__rate_interval", "1m", "$job", ".+", "$instance", ".+")
	rules := "groups:\n- name: dashboard\n  rules:\n"
	ids, places := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := places[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q lies over %q, or outside", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q of type %s has %d queries", p.Title, p.Type, len(p.Targets))
		}
		for _, target := range p.Targets {
			if target.Datasource.Type != "prometheus" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %v", p.Title, target.Datasource)
			}
			if !strings.Contains(target.Expr, `{job=~"$job", instance=~"$instance"`) {
				t.Errorf("panel %q does not look at the chosen servers: %s", p.Title, target.Expr)
			}
			rules += fmt.Sprintf("  - {record: 'panel_%d_%s', expr: '%s'}\n", p.ID, target.RefID, interval.Replace(target.Expr))
		}
	}
	if strings.Contains(rules, "$") {
		t.Error("a query has a variable that the test does not know")
	}
	path := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := promtool(t, ".", "check", "rules", path); err != nil {
		t.Errorf("promtool: %v\n%s", err, said)
	}
}
