package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tiercache/origin"
	"tiercache/origin/api"
)

// startReceipts is the part of control that an origin asks for receipts; state is what it answers.
func startReceipts(t *testing.T, state *string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/node/receipts" {
			w.WriteHeader(http.StatusServiceUnavailable) // nothing to follow here
			return
		}
		fmt.Fprintf(w, `{"epoch":%s,"state":%q,"nodes":[{"node":"edge-1","tier":"edge","region":"r1","state":"applied","ms":12},{"node":"edge-2","tier":"edge","region":"r2","state":"pending"}]}`,
			r.URL.Query().Get("epoch"), *state)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestObject_WritesTellTheirEpochAndReceipts(t *testing.T) {
	state := "complete"
	control := startReceipts(t, &state)
	o := startOriginWith(t, func(cfg *origin.Config) {
		cfg.ControlURL = control
		cfg.TierTokenFile = filepath.Join(t.TempDir(), "tier.token")
		if err := os.WriteFile(cfg.TierTokenFile, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	line := regexp.MustCompile(`^h\.example/x 19 bytes "[^"]+" epoch [0-9]{16}\n$`)
	if out := o.must("put", "h.example/x", "-"); !line.MatchString(out) {
		t.Errorf("put printed %q", out)
	}
	out := o.must("put", "h.example/x", "-", "--wait")
	if !strings.Contains(out, "(unchanged) epoch ") || !regexp.MustCompile(`(?m)^edge-1 +edge +r1 +applied +12 ms$`).MatchString(out) {
		t.Errorf("put --wait printed %q", out)
	}
	state = "pending"
	pending := func(args ...string) string {
		t.Helper()
		out, _, err := o.run(strings.NewReader("from standard input"), args...)
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != 3 {
			t.Errorf("%q: %v, want exit status 3", args, err)
		}
		return out
	}
	if out := pending("put", "h.example/x", "-", "--wait", "--timeout", "20s"); !regexp.MustCompile(`(?m)^edge-2 +edge +r2 +pending +-$`).MatchString(out) {
		t.Errorf("a pending put printed %q", out)
	}
	var removed api.Removed
	if err := json.Unmarshal([]byte(pending("rm", "h.example/x", "--wait", "-o", "json")), &removed); err != nil || *removed.Epoch == 0 || len(removed.Receipt.Nodes) != 2 {
		t.Errorf("a pending rm: %+v, %v", removed, err)
	}
	var written api.Written
	if err := json.Unmarshal([]byte(o.must("put", "h.example/x", "-", "-o", "json")), &written); err != nil || *written.Epoch != *removed.Epoch+1 || written.Size != 19 || written.Receipt != nil {
		t.Errorf("put as JSON: %+v, %v", written, err)
	}
	if out := o.must("rm", "h.example/x"); !regexp.MustCompile(`^h\.example/x deleted epoch [0-9]{16}\n$`).MatchString(out) {
		t.Errorf("rm printed %q", out)
	}
	o.fails("--timeout", "put", "h.example/x", "-", "--wait", "--timeout", "61s")
	o.fails("table or json", "rm", "h.example/x", "-o", "yaml")
}

func TestObject_WaitWithoutControlIsPending(t *testing.T) {
	o := startOrigin(t)
	out, _, err := o.run(strings.NewReader("x"), "put", "h.example/x", "-", "--wait")
	if exitCode(err) != 3 || !strings.Contains(out, "note: the origin has no control_url") {
		t.Errorf("%v, printed %q", err, out)
	}
}
