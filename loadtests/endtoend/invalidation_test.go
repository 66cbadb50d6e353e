package endtoend

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/testkit"
)

// shop is a site whose pages change by POST. What a POST changes is shown by its own path and by the group "prices".
func shop(t *testing.T) (url string) {
	t.Helper()
	var version atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			version.Add(1)
			w.Header().Set("Cache-Group-Invalidation", `"prices"`)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Cache-Control", "max-age=3600")
		if r.URL.Path == "/list" {
			w.Header().Set("Cache-Groups", `"prices"`)
		}
		fmt.Fprintf(w, "%s %d", r.URL.Path, version.Load())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestInvalidation: a POST through one edge makes what it has changed go from the other, by a purge with receipts, if
// the service says so, and from its own way alone otherwise.
func TestInvalidation(t *testing.T) {
	wholeRun(t)
	u := started(t)
	site := shop(t)
	activate := func(invalidate string) {
		path := filepath.Join(t.TempDir(), "default.yaml")
		document := fmt.Sprintf("name: default\nhosts: [\"*\"]\nupstream: %s\ninvalidate: %s\n", site, invalidate)
		if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		u.control(t, "service", "put", path).succeeds(t)
		u.control(t, "service", "activate", "default", "--wait").succeeds(t)
	}
	const host = "Host: shop.example.test"
	warm := func() (before map[string]string) {
		before = map[string]string{}
		for _, path := range []string{"/price", "/list", "/other"} {
			for n := 1; n <= 2; n++ {
				get(t, u.edge(n)+path, host)
				hit := get(t, u.edge(n)+path, host)
				hit.saysThat(t, "; hit")
				before[path] = string(hit.body)
			}
		}
		return before
	}

	activate("fleet")
	before := warm()
	var epoch string
	posts := 0
	testkit.Eventually(t, replyTimeout, func() error {
		posts++
		wrote := sendWhole(t, request{method: "POST", url: u.edge(1) + "/price", fields: []string{host}, body: strings.NewReader("x")})
		if wrote.says("purge-late") { // control of a busy machine may take longer than the reply waits for it
			return errors.New(wrote.cacheStatus())
		}
		epoch = wrote.header.Get("Tiercache-Epoch")
		if wrote.status != http.StatusNoContent || epoch == "" || wrote.says("purge-") || wrote.header.Get("Cache-Group-Invalidation") != "" {
			t.Fatalf("%d %q", wrote.status, wrote.header)
		}
		return nil
	})
	for n := 2; n >= 1; n-- {
		for _, path := range []string{"/price", "/list"} {
			get(t, u.edge(n)+path, host, "Tiercache-Min-Epoch: "+epoch).is(t, http.StatusOK, fmt.Sprint(path, " ", posts))
		}
		get(t, u.edge(n)+"/other", host).is(t, http.StatusOK, before["/other"])
	}
	purges := json.NewDecoder(strings.NewReader(u.control(t, "purge", "ls", "--limit", "1", "-o", "json").succeeds(t)))
	var list struct{ Purges []client.Purge }
	if err := purges.Decode(&list); err != nil || len(list.Purges) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	testkit.Eventually(t, recovery, func() error {
		out := u.control(t, "purge", "get", list.Purges[0].ID, "-o", "json").stdout // its status says whether it is complete
		var p client.Purge
		err := json.Unmarshal([]byte(out), &p)
		if err == nil && (p.State != client.StateComplete || len(p.Nodes) != 3 || p.By != "node:regional-1" || fmt.Sprint(p.Epoch) != epoch) {
			err = fmt.Errorf("%s", out)
		}
		return err
	})
	if out := u.control(t, "activity", "--limit", "1").succeeds(t); !strings.Contains(out, "node:regional-1") {
		t.Errorf("the activity does not name the node:\n%s", out)
	}

	activate("local")
	before = warm()
	sendWhole(t, request{method: "POST", url: u.edge(1) + "/price", fields: []string{host}}).is(t, http.StatusNoContent, "")
	get(t, u.edge(1)+"/price", host).is(t, http.StatusOK, fmt.Sprint("/price ", posts+1))
	get(t, u.edge(2)+"/price", host).is(t, http.StatusOK, before["/price"])
}
