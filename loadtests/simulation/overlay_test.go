package simulation

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tiercache/loadtests/switches"
)

// TestSwitches switches each mechanism off in turn and wants a seed that finds out. The code that ships has no
// switches: it is compiled once more, with an overlay that puts them in.
func TestSwitches(t *testing.T) {
	if os.Getenv("TIERCACHE_SIMULATION_SWITCHES") == "" {
		t.Skip("it compiles everything once more: make test-simulation")
	}
	binary := broken(t)
	for _, m := range switches.Mechanisms() {
		t.Run(strings.ReplaceAll(m.Name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			isCaught(t, binary, m)
		})
	}
}

// promised is what a violation of a promise begins with: a fleet that does not even start has noticed nothing.
var promised = regexp.MustCompile(`^(G[1-9]|stamp|freshness|restart): `)

// maxUntilFound is how many seeds a mechanism that is off may pass.
const maxUntilFound = 20_000

// isCaught wants a bad seed of a run without the mechanism.
func isCaught(t *testing.T, binary string, m switches.Mechanism) {
	j := job{First: 1, Step: 1, Seeds: maxUntilFound, UntilFound: true}
	if len(m.Changes) == 0 {
		j.Flaw = m.Name
	}
	var last report
	if err := child(binary, j, []string{switches.Env + "=" + m.Name}, func(r report) { last = r }); err != nil {
		t.Error(err)
		return
	}
	if len(last.Violations) == 0 {
		t.Errorf("%d seeds do not notice that this is switched off: %s", last.Done, m.Name)
		return
	}
	if !promised.MatchString(last.Violations[0]) {
		t.Errorf("seed %d breaks no promise, but does not run: %s", last.Seed, last.Violations[0])
		return
	}
	t.Logf("seed %d finds out: %s", last.Seed, last.Violations[0])
}

// broken compiles this package once more, with switches in what it runs.
func broken(t *testing.T) (binary string) {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	overlay := switches.NewOverlay(root)
	if err := overlay.Switches(); err != nil {
		t.Fatal(err)
	}
	index, err := overlay.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "broken.test")
	compile := exec.Command("go", "test", "-c", "-overlay", index, "-o", binary, ".")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compile what is switched off: %v\n%s", err, out)
	}
	return binary
}
