package follower

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someInstance = "00112233445566778899aabbccddeeff"

func opened(t *testing.T, state string) *lineage {
	t.Helper()
	g, err := openLineage(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

func TestLineage_NamesAProcessThatHasEnded(t *testing.T) {
	state := filepath.Join(t.TempDir(), "control.state")
	first := opened(t, state)
	if got := first.predecessor(); got != "" {
		t.Errorf("the first has %q", got)
	}
	if err := first.keep(someInstance); err != nil {
		t.Fatal(err)
	}
	if g, err := openLineage(state); err == nil {
		t.Errorf("while the process lives: %q", g.predecessor())
	}
	first.close()
	for range 2 { // one that ends before it is a member changes nothing
		next := opened(t, state)
		if got := next.predecessor(); got != someInstance {
			t.Errorf("got %q", got)
		}
		next.close()
	}
}

// The process of the original may live: on another machine, or on this one.
func TestLineage_NamesNobodyFromACopyOrAfterAReboot(t *testing.T) {
	state := filepath.Join(t.TempDir(), "control.state")
	first := opened(t, state)
	if err := first.keep(someInstance); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(state + lineageSuffix)
	if err != nil || !strings.Contains(string(content), someInstance) {
		t.Fatalf("%q, %v", content, err)
	}
	copied := filepath.Join(t.TempDir(), "control.state")
	if err := os.WriteFile(copied+lineageSuffix, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := opened(t, copied).predecessor(); got != "" {
		t.Errorf("a copy names %q", got)
	}
	first.close()
	for what, changed := range map[string]string{
		"another start of the kernel": "x" + string(content), "what was cut": string(content[:len(content)-5]),
		"garbage": "\x00\x01\n\n", "nothing": "",
	} {
		if err := os.WriteFile(state+lineageSuffix, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		g := opened(t, state)
		if got := g.predecessor(); got != "" {
			t.Errorf("%s names %q", what, got)
		}
		g.close()
	}
}
