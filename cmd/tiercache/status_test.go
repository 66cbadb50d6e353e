package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/token"
)

// runStatus runs `tiercache status` against an API that answers fleet.
func runStatus(t *testing.T, fleet string, args ...string) (string, error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tct_x" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(fleet))
	}))
	t.Cleanup(srv.Close)
	var out bytes.Buffer
	root := newRootCommand()
	root.SetOut(&out)
	root.SetArgs(append([]string{"status", "--control", srv.URL}, args...))
	err := root.Execute()
	return out.String(), err
}

const twoNodes = `{"ready":%READY%,"nodes":[
 {"node":"control-1","tier":"control","addr":"127.0.0.1:7070","ready":true,"state":"live","last_heard_ms":120},
 {"node":"edge-1","tier":"edge","region":"r1\u001b[31m","addr":"127.0.0.1:8080","ready":%READY%,"state":"live","last_heard_ms":900}]}`

func TestStatus_TableAndExitStatus(t *testing.T) {
	for ready, want := range map[string]int{"true": 0, "false": exitPending} {
		out, err := runStatus(t, strings.ReplaceAll(twoNodes, "%READY%", ready), "--token", "tct_x")
		code := 0
		if err != nil {
			code = exitCode(err)
		}
		if code != want {
			t.Errorf("ready=%s: exit status %d (%v)", ready, code, err)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 3 || !strings.Contains(lines[2], "edge-1") || !strings.Contains(lines[2], "http://127.0.0.1:8080") {
			t.Errorf("got\n%s", out)
		}
		if strings.Contains(out, "\x1b") {
			t.Error("a node can steer the terminal")
		}
	}
}

// A member that control knows by its renewals alone has not said when it was started.
func TestStatus_UpSinceNobodyKnowsWhen(t *testing.T) {
	started := time.Now().Add(-90 * time.Minute).UTC().Format(time.RFC3339)
	out, err := runStatus(t, `{"ready":true,"nodes":[
		{"node":"edge-1","tier":"edge","started":"0001-01-01T00:00:00Z","ready":true,"state":"live"},
		{"node":"edge-2","tier":"edge","started":"`+started+`","ready":true,"state":"live"}]}`, "--token", "tct_x")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	up := strings.Index(lines[0], "UP ")
	if len(lines) < 3 || up < 0 || !strings.HasPrefix(lines[1][up:], "- ") || !strings.HasPrefix(lines[2][up:], "1h30m") {
		t.Errorf("got\n%s", out)
	}
}

// A second process with a node's name stands in a line of its own, and why it is refused below the table.
func TestStatus_ARefusedNode(t *testing.T) {
	out, err := runStatus(t, `{"ready":false,"nodes":[
 {"node":"edge-1","tier":"edge","addr":"127.0.0.1:8080","ready":true,"state":"live","lease":"live"},
 {"node":"edge-1","tier":"edge","addr":"127.0.0.1:8099","state":"live","lease":"none","refused":"another process"}]}`, "--token", "tct_x")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if exitCode(err) != exitPending || len(lines) != 4 || !strings.Contains(lines[1], "ready") || !strings.Contains(lines[2], "refused") ||
		lines[3] != "edge-1 at http://127.0.0.1:8099 is refused: another process" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestStatus_JSON(t *testing.T) {
	out, err := runStatus(t, strings.ReplaceAll(twoNodes, "%READY%", "true"), "--token", "tct_x", "-o", "json")
	if err != nil || !strings.Contains(out, `"last_heard_ms": 900`) {
		t.Errorf("got %v\n%s", err, out)
	}
}

func TestStatus_ErrorsSayWhatToDo(t *testing.T) {
	t.Setenv(token.Variable, "")
	if _, err := runStatus(t, "", "--data-dir", t.TempDir()); !errors.Is(err, token.ErrNotFound) || exitCode(err) != 1 {
		t.Errorf("no token: %v", err)
	}
	if _, err := runStatus(t, "", "--token", "tct_wrong"); !errors.Is(err, client.ErrUnauthorized) || !strings.Contains(err.Error(), "--token") {
		t.Errorf("wrong token: %v", err)
	}
	if _, err := runStatus(t, "", "-o", "xml", "--token", "tct_x"); err == nil || !strings.Contains(err.Error(), "table or json") {
		t.Errorf("wrong output: %v", err)
	}
	if _, err := runStatus(t, "", "--token", "tct_x", "--control", "http://127.0.0.1:1"); !errors.Is(err, client.ErrUnreachable) || exitCode(err) != 1 {
		t.Errorf("unreachable: %v", err)
	}
}

func TestControl_NamesTheLineOfAMistake(t *testing.T) {
	root := newRootCommand()
	root.SetArgs([]string{"control", "--config", writeTemp(t, "node: c\nlisen: :1\n")})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `.yaml:2:1: unknown field "lisen": did you mean listen?`) {
		t.Errorf("got %v", err)
	}
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
