package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTokenList_GoesOnWhereTheListBeforeEnded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query(); got.Get("after") != "valid.7.tok_a" || got.Get("limit") != "2" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, `{"tokens":[{"id":"tok_b","name":"ci","roles":["read"]}],"next":"revoked.5.tok_b"}`)
	}))
	t.Cleanup(s.Close)
	args := []string{"token", "ls", "--after", "valid.7.tok_a", "--limit", "2", "--control", s.URL, "--data-dir", tokenDir(t)}
	cmd, said := played(t, args...)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "tok_b") || said.String() != "there may be more: --after revoked.5.tok_b\n" {
		t.Errorf("%v: %s%s", err, out, said)
	}
	if out, err := execute(append(args, "-o", "json")...); err != nil || !strings.Contains(out, `"next": "revoked.5.tok_b"`) {
		t.Errorf("%v: %s", err, out)
	}
}
