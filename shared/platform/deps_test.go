package platform

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deps is .ci/deps on a machine of its own: the files that it would change and Debian's PostgreSQL folders
// lie below root, apt-get fails, sudo only runs what it is given.
type deps struct {
	t                *testing.T
	root, script     string
	policy, clusters string
}

func newDeps(t *testing.T) *deps {
	t.Helper()
	root := t.TempDir()
	d := &deps{
		t: t, root: root, script: filepath.Join(root, "ci", "deps"),
		policy: filepath.Join(root, "policy-rc.d"), clusters: filepath.Join(root, "createcluster.conf"),
	}
	script, err := os.ReadFile("../../.ci/deps")
	if err != nil {
		t.Fatal(err)
	}
	text := string(script)
	for place, instead := range map[string]string{
		"/usr/sbin/policy-rc.d": d.policy, "/etc/postgresql-common/createcluster.conf": d.clusters,
		"/usr/lib/postgresql": filepath.Join(root, "postgresql"),
	} {
		if !strings.Contains(text, place) {
			t.Fatalf(".ci/deps does not mention %s", place)
		}
		text = strings.ReplaceAll(text, place, instead)
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	d.write("go.mod", string(module))
	d.write("ci/deps", text)
	d.write("bin/apt-get", "#!/bin/sh\nexit 1\n")
	d.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n")
	d.write("bin/redis-server", "#!/bin/sh\n")
	d.write("bin/postgres", "#!/bin/sh\n")
	d.write("bin/initdb", "#!/bin/sh\n")
	return d
}

func (d *deps) write(name, content string) {
	d.t.Helper()
	path := filepath.Join(d.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deps) run() (said string, err error) {
	cmd := exec.Command("bash", d.script, "up")
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(d.root, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// succeeds runs it where nothing is missing.
func (d *deps) succeeds() {
	d.t.Helper()
	if said, err := d.run(); err != nil {
		d.t.Fatalf("%v: %s", err, said)
	}
}

func (d *deps) content(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}

// endedProcess is the id of a process that is gone.
func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestDeps_PutsBackWhatAKilledRunLeft(t *testing.T) {
	d := newDeps(t)
	mark := fmt.Sprintf("# tiercache-temporary by %d\n", endedProcess(t))
	d.write("policy-rc.d", mark)
	d.write("createcluster.conf", mark)
	d.write("createcluster.conf.tiercache-saved", "what was there")
	d.succeeds()
	if exists(d.policy) || d.content(d.clusters) != "what was there" || exists(d.clusters+".tiercache-saved") {
		t.Errorf("policy: %q, clusters: %q", d.content(d.policy), d.content(d.clusters))
	}
}

func TestDeps_LeavesAlone(t *testing.T) {
	other := exec.Command("sh", "-c", "read line", "deps") // another run, for all that its command line says
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = other.Wait() }) // read fails at the end of its input
	eventually(t, 30*time.Second, func() error {          // until it is past exec
		if line, err := os.ReadFile(filepath.Join("/proc", itoa(other.Process.Pid), "cmdline")); err != nil || !strings.Contains(string(line), "deps") {
			return fmt.Errorf("not there yet: %q, %w", line, err)
		}
		return nil
	})
	for name, policy := range map[string]string{
		"somebody else's": "#!/bin/sh\nexit 101\n",
		"another run's":   fmt.Sprintf("# tiercache-temporary by %d: no service\n", other.Process.Pid),
	} {
		d := newDeps(t)
		d.write("policy-rc.d", policy)
		d.succeeds()
		if got := d.content(d.policy); got != policy {
			t.Errorf("%s became %q", name, got)
		}
	}
}

// A postgres that makes no database is none.
func TestDeps_PostgresWithoutInitdbIsMissing(t *testing.T) {
	d := newDeps(t)
	if err := os.Remove(filepath.Join(d.root, "bin", "initdb")); err != nil {
		t.Fatal(err)
	}
	said, err := d.run()
	if err == nil || !strings.Contains(said, "this needs postgresql") {
		t.Errorf("%v: %s", err, said)
	}
	if exists(d.policy) || exists(d.clusters) {
		t.Error("it left files that forbid services")
	}
}
