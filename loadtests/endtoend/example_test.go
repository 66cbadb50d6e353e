package endtoend

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tiercache/shared/testkit"
)

// exampleFolder has the shop of docs, seen from here.
const exampleFolder = "../../docs/examples/shop"

// example is the shop of docs as its README starts it: its tables in `up`'s PostgreSQL, its process behind two edges.
type example struct {
	u        *up
	url      string // of the shop itself, past all caches
	database string // its URL, for the shop's own role
	admin    string // the same for the owner of everything
	process  *process
}

func openExample(t *testing.T) *example {
	t.Helper()
	// The port stays taken until the platform has its own: the shop can start only on tables that the platform's
	// database has.
	reserved, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(testkit.FreePort(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer reserved.Close()
	s := &example{url: "http://" + reserved.Addr().String()}
	s.u = newUp(t, "--upstream", s.url)
	s.u.launch(t)
	binary := buildExample(t) // meanwhile
	s.u.process.awaitLine(t, allReady)
	address, err := os.ReadFile(filepath.Join(s.u.dir, "postgres.url"))
	if err != nil {
		t.Fatal(err)
	}
	s.admin = strings.TrimSpace(string(address))
	s.database = "postgres://shop:shop@" + s.u.addr(postgresPort) + "/tiercache"
	psql(t, s.admin, "", "-v", "password=shop", "-f", filepath.Join(exampleFolder, "role.sql"))
	psql(t, s.database, "", "-f", filepath.Join(exampleFolder, "schema.sql"))
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	s.process = launch(t, environment("DATABASE_URL="+s.database), binary, "-listen", reserved.Addr().String())
	s.process.awaitLine(t, "the shop is open")
	s.settle(t)
	return s
}

// settle returns when both edges, and the regional node, have applied what filling the tables has purged.
func (s *example) settle(t *testing.T) {
	t.Helper()
	epoch := s.transaction(t, "UPDATE products SET price = price WHERE false", "COMMIT")
	for n := 1; n <= 2; n++ {
		get(t, fmt.Sprintf("%s/settle/%d", s.u.edge(n), n), "Tiercache-Min-Epoch: "+epoch) // in no cache
	}
}

func buildExample(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "shop")
	cmd := exec.Command("go", "build", "-o", path, "tiercache/docs/examples/shop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the shop: %v\n%s", err, out)
	}
	return path
}

// psqlCommand is Debian's client, from PATH or beside the newest server.
func psqlCommand(t *testing.T, database string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql") // the pattern is well formed
		if len(found) == 0 {
			t.Fatal("psql is not installed; run make test: it installs what tests need")
		}
		path = found[len(found)-1]
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database}, args...)...)
	cmd.Env = environment("PGCONNECT_TIMEOUT=20", "PGOPTIONS=-c client_min_messages=warning")
	return cmd
}

// psql runs statements to their end and returns what they print.
func psql(t *testing.T, database, statements string, args ...string) string {
	t.Helper()
	cmd := psqlCommand(t, database, args...)
	cmd.Stdin = strings.NewReader(statements)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil || problems.Len() > 0 {
		t.Fatalf("psql: %v\n%s\n%s%s", err, statements, out, problems.String())
	}
	return strings.TrimSpace(string(out))
}

// transaction runs statements in one, ends it as said, and returns an epoch: with COMMIT that of the transaction, else
// one that is later. It is what a purge of a tag that no page has gets, so it is there whatever is watched.
func (s *example) transaction(t *testing.T, statements, end string) (epoch string) {
	t.Helper()
	const mark = "SELECT tiercache.invalidate('{nothing}') AS write \\gset\n"
	text := "BEGIN;\n" + statements + ";\n" + mark + end + ";\n"
	if end != "COMMIT" {
		text += mark
	}
	epoch = psql(t, s.database, text+"SELECT tiercache.epoch_of(:'write', '30 s');\n")
	if epoch == "" {
		t.Fatalf("no epoch within 30 s of %s", statements)
	}
	return epoch
}

// warm has paths in both edges, and returns what they have.
func (s *example) warm(t *testing.T, paths []string) (bodies map[string]string) {
	t.Helper()
	bodies = map[string]string{}
	for _, path := range paths {
		for n := 1; n <= 2; n++ {
			get(t, s.u.edge(n)+path)
			hit := get(t, s.u.edge(n)+path)
			hit.saysThat(t, fmt.Sprintf("edge-%d; hit", n))
			bodies[path] = string(hit.body)
		}
	}
	return bodies
}

// expect asks both edges for each page as of the epoch. Those that are to be renewed must be what the shop shows now
// with the first reply; all others must still be hits.
func (s *example) expect(t *testing.T, epoch string, before map[string]string, renewed ...string) {
	t.Helper()
	for path, old := range before {
		now := get(t, s.url+path)
		shows := slices.Contains(renewed, path)
		if changed := string(now.body) != old; changed != shows {
			t.Errorf("%s: the shop itself shows something new: %v, want %v\n%s", path, changed, shows, now.body)
			continue
		}
		for n := 1; n <= 2; n++ {
			for _, fields := range [][]string{{"Tiercache-Min-Epoch: " + epoch}, nil} {
				got := get(t, s.u.edge(n)+path, fields...)
				if got.status != now.status || string(got.body) != string(now.body) {
					t.Errorf("%s at edge %d, %q: got %d (the old page: %v), want %d and the new page (%s)",
						path, n, fields, got.status, string(got.body) == old, now.status, got.cacheStatus())
				}
				if hit := got.says(fmt.Sprintf("edge-%d; hit", n)); fields != nil && hit == shows {
					t.Errorf("%s at edge %d: a hit: %v, want %v (%s)", path, n, hit, !shows, got.cacheStatus())
				}
			}
		}
	}
}

// lockHolder is a psql that holds a table's lock until it is told to let go.
type lockHolder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// lock takes the table for itself, and returns once it has it.
func (s *example) lock(t *testing.T, table string) *lockHolder {
	t.Helper()
	h := &lockHolder{cmd: psqlCommand(t, s.database)}
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	// However the test ends, psql does: with its context, or with its input.
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(h.stdin, "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE;\n"); err != nil {
		t.Fatal(err)
	}
	s.awaitLock(t, table, "granted")
	return h
}

// awaitLock waits for a lock on the table that is exclusive and granted, or for anybody who waits for one.
func (s *example) awaitLock(t *testing.T, table, state string) {
	t.Helper()
	condition := "granted AND mode = 'AccessExclusiveLock'"
	if state == "waiting" {
		condition = "NOT granted"
	}
	testkit.Eventually(t, readyTimeout, func() error {
		if n := psql(t, s.admin, "SELECT count(*) FROM pg_locks WHERE relation = 'shop."+table+"'::regclass AND "+condition); n == "0" {
			return fmt.Errorf("no lock of %s is %s", table, state)
		}
		return nil
	})
}

// release lets go of the lock.
func (h *lockHolder) release(t *testing.T) {
	t.Helper()
	if err := h.stdin.Close(); err != nil { // psql ends with its input, and the transaction with psql
		t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
