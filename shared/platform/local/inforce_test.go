package local

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// overruled is what up says when control answers so, and what it was asked.
func overruled(t *testing.T, upstream string, status int, answer map[string]any) (said, asked string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String() + " " + r.Header.Get("Authorization")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	var text strings.Builder
	cfg := Default()
	cfg.Upstream = upstream
	p := New(cfg, Deps{Command: "bin/tiercache", Out: &text})
	p.plan.Nodes[0].URL = s.URL // control's
	p.around.dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(p.around.dir, "admin.token"), []byte("tct_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.tellOverruled(t.Context())
	return text.String(), asked
}

func TestTellOverruled_NamesWhatIsActiveAndHowToChangeIt(t *testing.T) {
	document := func(upstream string) map[string]any {
		return map[string]any{"version": 3, "created_by": "ann", "source": "hosts: ['*']\nupstream: " + upstream + "\nrules: [{ttl: 1m}]\n"}
	}
	said, asked := overruled(t, "http://site.example/", 200, document("http://other.example"))
	if asked != "/v1/services/default?version=active Bearer tct_x" {
		t.Errorf("asked %s", asked)
	}
	for _, want := range []string{
		"--upstream http://site.example is not in use: version 3 of the service default, stored by ann, is active, with upstream: http://other.example",
		"set upstream: http://site.example in", "bin/tiercache service get default --version active --data-dir /", "bin/tiercache service put default.yaml --activate",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in:\n%s", want, said)
		}
	}
	if said, _ := overruled(t, "", 200, document("http://other.example")); !strings.Contains(said, "the origin is not in use") || !strings.Contains(said, "set upstream: origin in") {
		t.Errorf("it says %s", said)
	}
	for what, c := range map[string]struct {
		upstream string
		status   int
		answer   map[string]any
	}{
		"in use":           {"http://site.example", 200, document("http://site.example/")},
		"the origin is":    {"", 200, document("origin")},
		"control says 503": {"http://site.example", 503, nil},
		"no document":      {"http://site.example", 200, map[string]any{"version": 1, "source": ": :"}},
	} {
		if said, _ := overruled(t, c.upstream, c.status, c.answer); said != "" {
			t.Errorf("%s: it says %s", what, said)
		}
	}
}
