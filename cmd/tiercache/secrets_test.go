package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// tells reports whether a text has some of the password, qz7kw9, in it.
func tells(text string) bool { return strings.Contains(text, "qz7") || strings.Contains(text, "kw9") }

// brokenURLs are what people write for a URL with a password.
func brokenURLs(scheme string) []string {
	return []string{
		scheme + "://bob:qz7kw9@h:x", scheme + "://bob:qz7/kw9@h", scheme + "://bob:1/qz7kw9@h", scheme + "://bob:qz7?kw9@h",
		scheme + "://bob:qz7#kw9@h", scheme + "://bob:qz7kw9%zz@h", scheme + "://bob:qz7 kw9@h", scheme + "://bob@h:qz7kw9",
		"bob:qz7kw9@h:x", "://bob:qz7kw9@h",
	}
}

// urlSetting is a setting or a flag that takes a URL: the last of args, which its value follows.
type urlSetting struct {
	name, scheme string
	args         []string
}

// nodesWith is the command lines that start nodes with the settings that they need, on no port in particular.
func nodesWith(t *testing.T, dir string) map[string][]string {
	t.Helper()
	const common = "node: n\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nlog_level: error\ndrain_timeout: 1s\n"
	file := writeOver(t, filepath.Join(dir, "node.yaml"), common)
	caching := writeOver(t, filepath.Join(dir, "caching.yaml"), common+"services: [{name: s, hosts: ['*'], upstream: 'http://127.0.0.1:1'}]\n")
	secret := writeOver(t, filepath.Join(dir, token.FileName), token.Generate())
	const database = "postgres://127.0.0.1:1/d"
	return map[string][]string{
		"edge":     {"edge", "--config", caching, "--tier-token-file", secret},
		"regional": {"regional", "--config", caching, "--tier-token-file", secret},
		"origin":   {"origin", "--config", file, "--postgres-url", database, "--tier-token-file", secret},
		"control":  {"control", "--config", file, "--postgres-url", database, "--admin-token-file", secret},
	}
}

// urlSettings are all there are.
func urlSettings(t *testing.T, dir string) []urlSetting {
	t.Helper()
	nodes := nodesWith(t, dir)
	nodes["up"] = []string{"up", "--data-dir", filepath.Join(dir, "data")}
	nodes["status"] = []string{"status", "--data-dir", dir}
	nodes["object"] = []string{"object", "ls", "h", "--data-dir", dir}
	nodes["purge"] = []string{"purge", "--data-dir", dir, "--control", "http://127.0.0.1:1"}
	var all []urlSetting
	for _, s := range []struct{ commands, flag, scheme string }{
		{"edge regional origin control", "--nats-url", "nats"},
		{"edge regional origin control", "--otlp-endpoint", "http"},
		{"edge regional origin", "--control-url", "http"}, // control is what listens there
		{"edge regional", "--origin-url", "http"},
		{"edge", "--regionals", "http"},
		{"regional", "--redis-addrs", "redis"},
		{"origin control", "--postgres-url", "postgres"},
		{"up", "--upstream", "http"},
		{"up", "--postgres-url", "postgres"},
		{"up", "--nats-url", "nats"},
		{"up", "--redis-addr", "redis"},
		{"status", "--control", "http"},
		{"object", "--origin", "http"},
		{"purge", "--url", "http"},
	} {
		for command := range strings.FieldsSeq(s.commands) {
			args := append(append([]string{}, nodes[command]...), s.flag)
			all = append(all, urlSetting{name: command + " " + s.flag, scheme: s.scheme, args: args})
		}
	}
	return append(all, urlSetting{name: "object get URL", scheme: "http", args: []string{"object", "get", "--data-dir", dir}})
}

// A URL that cannot be used is not repeated, and nothing is started for its sake.
func TestSecrets_BrokenURLsAreNotRepeated(t *testing.T) {
	t.Setenv(token.Variable, "")
	for _, setting := range urlSettings(t, t.TempDir()) {
		for _, broken := range brokenURLs(setting.scheme) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			var printed bytes.Buffer
			cmd := newRootCommand()
			cmd.SetOut(&printed)
			cmd.SetErr(&printed)
			cmd.SetArgs(append(append([]string{}, setting.args...), broken))
			err := cmd.ExecuteContext(ctx)
			cancel()
			switch {
			case err == nil:
				t.Errorf("%s %q is taken", setting.name, broken)
			case tells(printed.String() + err.Error()):
				t.Errorf("%s %q is repeated: %s%v", setting.name, broken, printed.String(), err)
			}
		}
	}
}

// A URL that can be used, of a server that is not there, is repeated neither in logs nor by /readyz and /metrics.
func TestSecrets_RunningNodesDoNotTellThem(t *testing.T) {
	nodes := nodesWith(t, t.TempDir())
	more := map[string]string{
		"edge":     "nats://bob:qz7kw9@127.0.0.1:1 http://bob:qz7kw9@127.0.0.1:1",
		"regional": "nats://bob:qz7kw9@127.0.0.1:1 http://bob:qz7kw9@127.0.0.1:1",
		"origin":   "nats://bob:qz7kw9@127.0.0.1:1,nats://bob:qz7kw9@127.0.0.2:1 http://bob:qz7kw9@127.0.0.1:1 postgres://bob:qz7kw9@127.0.0.1:1/d",
		"control":  "nats://bob:qz7kw9@127.0.0.1:1 - postgres://bob:qz7kw9@127.0.0.1:1/d?sslmode=disable",
	}
	for tier, args := range nodes {
		t.Run(tier, func(t *testing.T) {
			t.Parallel()
			admin := testkit.FreeAddr(t)
			args = append(args, "--admin-listen", admin, "--log-level", "debug", "--otlp-endpoint", "http://bob:qz7kw9@127.0.0.1:1", "--trace-sample-ratio", "1")
			values := strings.Fields(more[tier])
			for i, flag := range []string{"--nats-url", "--control-url", "--postgres-url"} {
				if i < len(values) && values[i] != "-" {
					args = append(args, flag, values[i])
				}
			}
			cmd, said := played(t, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var asked string
			testkit.Eventually(t, 30*time.Second, func() (err error) {
				asked, err = ask("http://" + admin + "/readyz")
				if err == nil && !strings.Contains(asked, "refused") {
					err = fmt.Errorf("it has not noticed: %s", asked)
				}
				return err
			})
			metrics, err := ask("http://" + admin + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, said)
			}
			if text := asked + metrics + said.String(); tells(text) || !strings.Contains(text, "nats") {
				t.Errorf("it tells: %s", text)
			}
		})
	}
}

// ask returns what is at a URL, whatever the status.
func ask(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
