package pseudonym

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const key = "0123456789abcdef0123456789abcdef"

// TestManual runs the command by which the manual finds a user's lines.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`printf %s user123 \| openssl .*`).Find(manual)
	command := exec.Command("sh", "-c", string(line))
	command.Env = append(os.Environ(), "RS_LOG_IDS_KEY="+key)
	out, err := command.CombinedOutput()
	m, _ := New(key)
	if want := m.Text("user123") + "\n"; err != nil || string(out) != want {
		t.Errorf("%s: %v: %s, not %s", line, err, out, want)
	}
}

// TestPseudonym compares with openssl.
func TestPseudonym(t *testing.T) {
	m, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"alice", "10.0.0.7", "Jürgen\x00", strings.Repeat("x", 200), "alice"} {
		command := exec.Command("openssl", "dgst", "-sha256", "-hmac", key)
		command.Stdin = strings.NewReader(value)
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		_, sum, _ := strings.Cut(strings.TrimSpace(string(out)), "= ")
		if got := m.Text(value); len(sum) != 64 || got != "h:"+sum[:16] {
			t.Errorf("%q is %s, and openssl says %s", value, got, out)
		}
	}
	if got := (*Maker)(nil).Text("alice"); got != "alice" {
		t.Errorf("without a Maker: %s", got)
	}
}

func TestKeys(t *testing.T) {
	for _, key := range []string{"short", key[1:], strings.Repeat("x", MaxKey+1)} {
		if _, err := New(key); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", key, err)
		}
	}
	a, _ := New("")
	b, _ := New("")
	c, _ := New(key)
	before := c.Text("alice")
	if a.Text("alice") == b.Text("alice") || a.Text("alice") == a.Text("bob") {
		t.Error("two keys made at random agree, or two values have one pseudonym")
	}
	if err := c.SetKey("no"); err == nil || c.Text("alice") != before {
		t.Errorf("a wrong key is taken: %v", err)
	}
	if err := c.SetKey(strings.ToUpper(key)); err != nil || c.Text("alice") == before {
		t.Errorf("another key changes nothing: %v", err)
	}
}
