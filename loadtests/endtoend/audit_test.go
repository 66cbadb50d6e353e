package endtoend

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/control/audit"
	"tiercache/control/client"
	"tiercache/regional/l2/redis"
	"tiercache/shared/invalidation"
	stored "tiercache/shared/object"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// auditTimeout is how long an audit may take until it finds what there is, on a machine that does much else.
const auditTimeout = 3 * time.Minute

// audited is what `audit -o json` says.
type audited struct {
	audit.Report
	Found []audit.Violation
}

// audit runs `tiercache audit` and wants that exit status.
func (u *up) audit(t *testing.T, code int, args ...string) (a audited) {
	t.Helper()
	e := tiercache(t, append([]string{"audit", "-o", "json", "--rate", "0", "--data-dir", u.dir, "--control", u.url(controlPort)}, args...)...)
	if e.code != code {
		t.Fatalf("exit status %d, want %d\n%.2000s%s", e.code, code, e.stdout, e.stderr)
	}
	if err := json.Unmarshal([]byte(e.stdout), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// forgetOneIn is in the place of how an index enters a purge: of 10,000 scopes one is lost, which one its hash decides.
const forgetOneIn = `if binary.LittleEndian.Uint32(scopes[i][:4])%10_000 == 0 {
			continue
		}
		t.enter(&scopes[i], hard, soft)`

// isForgotten reports whether an index that forgets loses this purge.
func isForgotten(scope stored.Scope) bool { return binary.LittleEndian.Uint32(scope[:4])%10_000 == 0 }

// forgetful builds the program with an index that forgets.
func forgetful(t *testing.T) (path string) {
	t.Helper()
	const file, enters, imports = "shared/invalidation/index.go", "t.enter(&scopes[i], hard, soft)", "import (\n"
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	if strings.Count(text, enters) != 1 || strings.Count(text, imports) != 1 {
		t.Fatalf("%s has changed: it does not say %q once", file, enters)
	}
	text = strings.Replace(strings.Replace(text, enters, forgetOneIn, 1), imports, imports+"\t\"encoding/binary\"\n", 1)
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "index.go"), filepath.Join(dir, "overlay.json")
	index, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, file): changed}})
	if err := errors.Join(err, os.WriteFile(changed, []byte(text), 0o600), os.WriteFile(overlay, index, 0o600)); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(openFolder(t), "forgetful")
	if err := build(path, "-overlay", overlay); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAudit_FindsEachPlantedLoss has nodes whose indexes lose one purge of 10,000. Of 30,000 pages that are all purged,
// each node so goes on to serve three, and the audit must name these and no others.
func TestAudit_FindsEachPlantedLoss(t *testing.T) {
	wholeRun(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprint(w, r.URL.Path)
	}))
	t.Cleanup(site.Close)
	u := newUp(t, "--upstream", site.URL, "--edges", "1")
	u.program = forgetful(t)
	u.start(t)
	const pages, planted = 30_000, 3
	host := "audit.example.test"
	paths, lost := pagesOf(host, pages, planted)
	u.warm(t, host, paths)

	clean := u.audit(t, 0)
	for _, n := range clean.Nodes {
		if n.Served < pages || n.Violations != 0 {
			t.Fatalf("before the purge: %+v", n)
		}
	}
	urls := make([]string, len(paths))
	for i, path := range paths {
		urls[i] = "http://" + host + path
	}
	p, err := u.client(t).CreatePurge(t.Context(), client.PurgeRequest{URLs: urls, Wait: "30s"}, "")
	if err != nil || p.State != client.StateComplete {
		t.Fatalf("%+v, %v", p, err)
	}
	if a := u.audit(t, 0, "--within", "1h"); a.Violations != 0 {
		t.Errorf("none of it is an hour old: %+v", a.Found)
	}
	var a audited
	testkit.Eventually(t, auditTimeout, func() error { // until the purge is 2 s old
		a = audited{}
		e := tiercache(t, "audit", "-o", "json", "--rate", "0", "--data-dir", u.dir, "--control", u.url(controlPort))
		if err := json.Unmarshal([]byte(e.stdout), &a); err != nil || e.code != 4 || a.Violations < 2*planted {
			return fmt.Errorf("exit status %d, %d violations, %v: %s", e.code, a.Violations, err, e.stderr)
		}
		return nil
	})
	namesEach(t, &a, &p, host, lost)
	table := tiercache(t, "audit", "--limit", "4", "--data-dir", u.dir, "--control", u.url(controlPort))
	table.failsWith(t, 4, "tiercache audit: some entries are not current")
	if got := strings.Count(table.stdout, "\nviolation  missed  ") + strings.Count(table.stdout[:9], "violation"); got != 4 || !strings.Contains(table.stdout, "... and 2 more violations: --limit\n") {
		t.Errorf("%d lines of 4:\n%s", got, table.stdout)
	}
	t.Log(table.stdout)
	for _, path := range lost {
		get(t, u.edge(1)+path, "Host: "+host).saysThat(t, "edge-1; hit") // it is no invention of the audit
	}
}

// pagesOf are paths of a host of which as many are planted: an index that forgets loses the purge of their URL.
func pagesOf(host string, pages, planted int) (paths, lost []string) {
	for i := 0; len(paths) < pages; i++ {
		path := fmt.Sprintf("/page/%d", i)
		forgotten := isForgotten(invalidation.URLScope(host, path, ""))
		switch {
		case forgotten && len(lost) < planted:
			lost = append(lost, path)
		case forgotten || len(paths)-len(lost) >= pages-planted:
			continue
		}
		paths = append(paths, path)
	}
	return paths, lost
}

// warm fetches pages through the first edge.
func (u *up) warm(t *testing.T, host string, paths []string) {
	t.Helper()
	const clients = 16
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c := newClient()
			for j := i; j < len(paths) && failed.Load() == nil; j += clients {
				r, err := request{url: u.edge(1) + paths[j], fields: []string{"Host: " + host}}.send(c)
				if err == nil && string(r.body) != paths[j] {
					err = fmt.Errorf("%s: %d %.80q", paths[j], r.status, r.body)
				}
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}

// namesEach wants a violation for each loss on each node, with all that is said of it.
func namesEach(t *testing.T, a *audited, p *client.Purge, host string, lost []string) {
	t.Helper()
	named := map[string]int{}
	for _, v := range a.Found {
		named[v.Node+" "+v.URL]++
		if v.Kind != audit.KindMissed || v.Epoch > p.Epoch || v.Epoch <= v.Stamp || v.Applied < v.Epoch || v.Mode != "hard" || !v.Lease ||
			v.Service != "default" || v.StaleMS < 2000 || v.At.Before(p.At.Add(-time.Minute)) || len(v.Key) != 2*stored.EntryKeySize {
			t.Errorf("a violation is %+v; the purge is of %v and has the epochs through %d", v, p.At, p.Epoch)
		}
	}
	for _, node := range []string{"regional-1", "edge-1"} {
		for _, path := range lost {
			if key := node + " http://" + host + path; named[key] != 1 {
				t.Errorf("%s is named %d times", key, named[key])
			}
		}
	}
	if want := int64(2 * len(lost)); a.Violations != want || len(a.Found) != int(want) || !a.Whole || a.Served < want {
		t.Errorf("%d violations, %d named, want %d; whole %v, %d served", a.Violations, len(a.Found), want, a.Whole, a.Served)
	}
	if a.Current < 0.9998 || a.AtLeast >= a.Current || a.AtLeast < 0.999 || a.Nines < a.NinesAtLeast || a.NinesAtLeast < 3 {
		t.Errorf("%v current, at least %v; nines %v and %v", a.Current, a.AtLeast, a.Nines, a.NinesAtLeast)
	}
}

// TestAudit_FindsContentOlderThanItsStamp puts old content with a new stamp into L2: the log has nothing against it, the
// origin's versions have.
func TestAudit_FindsContentOlderThanItsStamp(t *testing.T) {
	wholeRun(t)
	u := started(t)
	const host = "content.example.test"
	for i := range 40 {
		u.put(t, fmt.Sprintf("%s/%d", host, i), []byte("first"))
		get(t, u.edge(1)+fmt.Sprintf("/%d", i), "Host: "+host).is(t, http.StatusOK, "first")
	}
	secret, err := token.ReadFile(filepath.Join(u.dir, "redis.password"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := redis.New(redis.Config{Addrs: []string{u.addr(redisPort)}, Password: secret, Prefix: "tc:r1:", Timeout: recovery, DialTimeout: recovery})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	clean := u.audit(t, 0)
	if i := slices.IndexFunc(clean.Nodes, func(n audit.NodeReport) bool { return n.Node == "regional-1" }); clean.Nodes[i].Compared != 40 {
		// What was written in the last seconds is not compared yet.
		testkit.Eventually(t, auditTimeout, func() error {
			if n := u.audit(t, 0, "--node", "regional-1").Nodes[0]; n.Compared != 40 {
				return fmt.Errorf("%+v", n)
			}
			return nil
		})
	}
	key, old := u.heldEntry(t, store, "/7")
	u.put(t, host+"/7", []byte("second"))
	get(t, u.edge(1)+"/7", "Host: "+host).is(t, http.StatusOK, "second")
	var head stored.Head
	inline, err := stored.DecodeEntry(old, &head)
	if err != nil {
		t.Fatal(err)
	}
	head.Stamp = u.heldStamp(t, store, key)
	if err := store.Store(t.Context(), key, stored.AppendEntry(nil, &head, inline), time.Hour); err != nil {
		t.Fatal(err)
	}
	var a audited
	testkit.Eventually(t, auditTimeout, func() error { // a write is compared once it is older than it may take, 10 s
		a = audited{}
		e := tiercache(t, "audit", "-o", "json", "--data-dir", u.dir, "--control", u.url(controlPort))
		if err := json.Unmarshal([]byte(e.stdout), &a); err != nil || e.code != 4 {
			return fmt.Errorf("exit status %d, %v: %s", e.code, err, e.stderr)
		}
		return nil
	})
	if len(a.Found) != 1 || a.Violations != 1 {
		t.Fatalf("%d violations: %+v", a.Violations, a.Found)
	}
	v := a.Found[0]
	if v.Kind != audit.KindContent || v.Node != "regional-1" || v.URL != "http://"+host+"/7" || v.Key != hex.EncodeToString([]byte(key)) || v.Held == v.Current || v.Current == "" {
		t.Errorf("%+v", v)
	}
}

// heldEntry is what L2 has of a path, as the node tells of it.
func (u *up) heldEntry(t *testing.T, store *redis.Store, path string) (key string, value []byte) {
	t.Helper()
	page, err := u.client(t).Entries(t.Context(), "regional-1", client.EntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Entries, func(e client.Entry) bool { return e.Target == path })
	if i < 0 {
		t.Fatalf("no %s among %d entries", path, len(page.Entries))
	}
	raw, err := hex.DecodeString(page.Entries[i].Key)
	if err == nil {
		value, err = store.Lookup(t.Context(), string(raw))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), value
}

// heldStamp is the stamp of what L2 has under a key.
func (u *up) heldStamp(t *testing.T, store *redis.Store, key string) uint64 {
	t.Helper()
	value, err := store.Lookup(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var head stored.Head
	if err := stored.DecodeHead(value, &head); err != nil {
		t.Fatal(err)
	}
	return head.Stamp
}
