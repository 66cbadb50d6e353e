package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// offEnv names the mechanism that a process has switched off.
const offEnv = "TIERCACHE_OFF"

// overlay is the source of what off, named and lasting are in a package that is changed. Nothing of it ships.
const overlay = `package %[1]s

import (
	"fmt"
	"os"
	"time"
)

var switchedOff = os.Getenv(%[2]q)

func named(name string, print uint64) string {
	if switchedOff == "scopes do not depend on the policy" {
		return fmt.Sprint(name, "@", print)
	}
	return name
}

func lasting(d time.Duration) time.Duration {
	if switchedOff == "who has not applied a purge is waited for until its lease is over" {
		return 0
	}
	return d
}

var _, _ = named, lasting
`

// TestSwitches switches each mechanism off in turn and wants a seed that finds out. The code that ships has no
// switches: it is compiled once more, with an overlay that puts them in.
func TestSwitches(t *testing.T) {
	if os.Getenv("TIERCACHE_SIMULATION_SWITCHES") == "" {
		t.Skip("it compiles everything once more: make test-simulation")
	}
	binary := broken(t)
	for _, m := range mechanisms() {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
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
func isCaught(t *testing.T, binary string, m mechanism) {
	j := job{First: 1, Step: 1, Seeds: maxUntilFound, UntilFound: true}
	if len(m.changes) == 0 {
		j.Flaw = m.name
	}
	var last report
	if err := child(binary, j, []string{offEnv + "=" + m.name}, func(r report) { last = r }); err != nil {
		t.Error(err)
		return
	}
	if len(last.Violations) == 0 {
		t.Errorf("%d seeds do not notice that this is switched off: %s", last.Done, m.name)
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
	replace := map[string]string{}
	texts := map[string]string{}
	for _, m := range mechanisms() {
		for _, c := range m.changes {
			patch(t, root, texts, m.name, c)
		}
	}
	packages := map[string]string{}
	for file, text := range texts {
		packages[filepath.Dir(file)] = strings.Fields(text[strings.Index(text, "\npackage ")+1:])[1]
		replace[filepath.Join(root, file)] = keepFile(t, filepath.Join(dir, strings.ReplaceAll(file, "/", "_")), text)
	}
	for folder, name := range packages {
		file := filepath.Join(folder, "switched_off.go")
		replace[filepath.Join(root, file)] = keepFile(t, filepath.Join(dir, strings.ReplaceAll(file, "/", "_")), fmt.Sprintf(overlay, name, offEnv))
	}
	index, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "broken.test")
	compile := exec.Command("go", "test", "-c", "-overlay", keepFile(t, filepath.Join(dir, "overlay.json"), string(index)), "-o", binary, ".")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compile what is switched off: %v\n%s", err, out)
	}
	return binary
}

// patch puts a change into the text of its file. Two mechanisms may change the same place: then it has both switches.
func patch(t *testing.T, root string, texts map[string]string, name string, c change) {
	t.Helper()
	text, ok := texts[c.file]
	if !ok {
		content, err := os.ReadFile(filepath.Join(root, c.file))
		if err != nil {
			t.Fatal(err)
		}
		text = "\n" + string(content)
	}
	if n := strings.Count(text, c.is); n != 1 {
		t.Fatalf("%s: %s has the text %q %d times, want once: the mechanism has changed", name, c.file, c.is, n)
	}
	texts[c.file] = strings.Replace(text, c.is, strings.ReplaceAll(c.off, "off()", fmt.Sprintf("(switchedOff == %q)", name)), 1)
}

func keepFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
