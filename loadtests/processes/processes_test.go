package processes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// process writes a folder as /proc has it.
func process(t *testing.T, root, pid, stat, cmdline, statm string) {
	t.Helper()
	folder := filepath.Join(root, pid)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": stat, "cmdline": cmdline, "statm": statm} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBelow_ReadsTimesMemoryAndParents(t *testing.T) {
	root := t.TempDir()
	const stat = "%d (a name) 3 (of) its own) S %d 1 1 0 -1 4194560 1 2 3 4 150 50 700 300 20 0 8 0 1 1 1\n"
	process(t, root, "20", fmt.Sprintf(stat, 20, 1), "bin/tiercache\x00up\x00", "900 100 40 1 0 1 0\n")
	process(t, root, "30", fmt.Sprintf(stat, 30, 20), "bin/tiercache\x00edge\x00--config\x00a b\x00", "900 100 40 1 0 1 0\n")
	process(t, root, "40", "40 (cut off) S 30\n", "x", "1 1 1\n")
	process(t, root, "self", fmt.Sprintf(stat, 50, 1), "x", "1 1 1\n")
	all := below(root)
	if len(all) != 2 {
		t.Fatalf("%d processes: %+v", len(all), all)
	}
	page := int64(os.Getpagesize())
	want := Process{Parent: 20, Command: "bin/tiercache edge --config a b", CPU: 2 * time.Second, Waited: 10 * time.Second, Private: 60 * page, Shared: 40 * page}
	if all[30] != want {
		t.Errorf("got  %+v\nwant %+v", all[30], want)
	}
	for _, c := range []struct {
		pid, from int
		want      bool
	}{{30, 20, true}, {30, 30, true}, {20, 30, false}, {99, 20, false}} {
		if Descends(all, c.pid, c.from) != c.want {
			t.Errorf("%d descends from %d: not %t", c.pid, c.from, c.want)
		}
	}
}

func TestRead_SaysWhatIsWrong(t *testing.T) {
	const good, memory = "1 (x) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 0 0", "3 2 1"
	for name, c := range map[string]struct{ stat, statm, want string }{
		"cut":           {"1 (x) S 1", memory, "stat: 2 fields behind the name, of 15"},
		"parent":        {strings.Replace(good, "S 1", "S one", 1), memory, "stat: the parent"},
		"time":          {strings.Replace(good, "5 6 7 8", "5 six 7 8", 1), memory, "stat: a time"},
		"memory cut":    {good, "3 2", "statm: less than 3 fields"},
		"memory":        {good, "3 two 1", "statm: resident pages"},
		"shared memory": {good, "3 2 one", "statm: shared pages"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			process(t, root, "1", c.stat, "x", c.statm)
			if _, err := read(filepath.Join(root, "1")); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// The process that runs this is there, has used time and holds memory.
func TestAll_FindsThisProcess(t *testing.T) {
	me, ok := All()[os.Getpid()]
	if !ok || me.Parent != os.Getppid() || me.Private <= 0 || !strings.Contains(me.Command, "processes.test") {
		t.Errorf("%t, %+v", ok, me)
	}
}

func TestModel(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: A CPU @ 2.00GHz\nmodel name\t: B\n": "A CPU @ 2.00GHz",
		"processor\t: 0\nBogoMIPS\t: 50\n":                                 "a processor",
		"":                                                                 "a processor",
	} {
		if got := model(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
