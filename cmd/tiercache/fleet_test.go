package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tiercache/control"
	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/node"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// liveControl runs `tiercache control`'s own wiring until the test ends.
type liveControl struct {
	t              *testing.T
	url, dir, tier string // the URL, the data directory with the token, the fleet's secret
	postgres       string // the URL of its database
}

func startControl(t *testing.T) *liveControl {
	t.Helper()
	t.Setenv(token.Variable, "")
	c := &liveControl{t: t, dir: t.TempDir(), tier: "the-secret-of-this-fleet"}
	cfg := control.DefaultConfig()
	cfg.Listen, cfg.AdminListen, cfg.LogLevel = testkit.FreeAddr(t), testkit.FreeAddr(t), "error"
	cfg.PostgresURL = testkit.Postgres(t)
	c.postgres = cfg.PostgresURL
	cfg.AdminTokenFile, cfg.TierTokenFile = filepath.Join(c.dir, token.FileName), filepath.Join(c.dir, "tier.token")
	c.url = "http://" + cfg.Listen
	for path, secret := range map[string]string{cfg.AdminTokenFile: token.Generate(), cfg.TierTokenFile: c.tier} {
		if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	n, err := node.New(ctx, control.Tier, cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := control.Build(n, cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(n.Run(ctx, parts...), n.Close(ctx)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("control: %v", err)
		}
	})
	testkit.Eventually(t, 20*time.Second, func() error {
		resp, err := http.Get("http://" + cfg.AdminListen + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %d", resp.StatusCode)
		}
		return nil
	})
	return c
}

// run is `tiercache ARGS`.
func (c *liveControl) run(args ...string) (stdout, stderr string, err error) {
	cmd := newRootCommand()
	var out, errOut bytes.Buffer
	cmd.SetIn(strings.NewReader(""))
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(append(args, "--control", c.url, "--data-dir", c.dir))
	err = cmd.ExecuteContext(context.Background())
	return out.String(), errOut.String(), err
}

func (c *liveControl) must(args ...string) string {
	c.t.Helper()
	out, errOut, err := c.run(args...)
	if err != nil {
		c.t.Fatalf("%q: %v\n%s%s", args, err, out, errOut)
	}
	return out
}

// fails checks the exit status and what the command says.
func (c *liveControl) fails(status int, says string, args ...string) {
	c.t.Helper()
	out, errOut, err := c.run(args...)
	if err == nil || exitCode(err) != status || !strings.Contains(out+errOut+err.Error(), says) {
		c.t.Errorf("%q: %v, want status %d and %q\n%s%s", args, err, status, says, out, errOut)
	}
}

// join makes a node a member that has applied what there is, and never applies more.
func (c *liveControl) join(name string) {
	c.t.Helper()
	body, err := json.Marshal(controllog.Renew{Node: name, Tier: "edge", Region: "r1", Addr: "127.0.0.1:1", Nonce: "n", Instance: "one", Join: true})
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, c.url+"/v1/node/renew", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Tiercache-Tier", c.tier)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("join: %d", resp.StatusCode)
	}
}

func TestPurge_ExitStatusAndReceipts(t *testing.T) {
	c := startControl(t)
	if out := c.must("purge", "--tag", "a", "--wait"); !strings.HasPrefix(out, "purge ") || !strings.Contains(out, " epoch 1") {
		t.Errorf("printed %q", out)
	}
	c.join("edge-1")
	c.fails(exitPending, "pending   edge-1", "purge", "--tag", "a", "--wait", "--timeout", "2s")
	out := c.must("purge", "--url", "http://h.example/x", "--soft", "--wait", "--timeout", "20s") // it is fenced meanwhile
	if !regexp.MustCompile(`(?m)^  fenced    edge-1 +edge +r1 +\d+ ms, last heard [0-9:.]+$`).MatchString(out) {
		t.Errorf("printed %q", out)
	}
	var list client.Purges
	if err := json.Unmarshal([]byte(c.must("purge", "ls", "-o", "json")), &list); err != nil || len(list.Purges) != 3 || list.Purges[0].Mode != "soft" {
		t.Errorf("%+v, %v", list, err)
	}
	if out := c.must("purge", "get", list.Purges[0].ID); !strings.Contains(out, "fenced") {
		t.Errorf("printed %q", out)
	}
	var purge client.Purge
	if err := json.Unmarshal([]byte(c.must("purge", "--all", "--wait", "-o", "json", "--timeout", "20s")), &purge); err != nil || purge.State != client.StateComplete || len(purge.Nodes) != 1 {
		t.Errorf("%+v, %v", purge, err)
	}
	first := c.must("purge", "--host", "h.example", "--idempotency-key", "k")
	if again := c.must("purge", "--host", "h.example", "--idempotency-key", "k"); again != first {
		t.Errorf("%q, then %q", first, again)
	}
	if out := c.must("purge", "--prefix", "http://h.example/a/", "--service", "shop", "--dry-run"); !strings.Contains(out, "things named: 2") {
		t.Errorf("printed %q", out)
	}
}

func TestPurge_Usage(t *testing.T) {
	c := startControl(t)
	c.fails(exitUsage, "name what to purge", "purge")
	c.fails(exitUsage, "use --in", "purge", "--tag", "a", "--service", "shop")
	c.fails(exitUsage, "no --tag", "purge", "--in", "shop", "--all")
	c.fails(exitUsage, "--timeout", "purge", "--all", "--timeout", "2m")
	c.fails(exitUsage, "table or json", "purge", "--all", "-o", "xml")
	c.fails(exitUsage, "unknown flag", "purge", "--everything")
	c.fails(exitUsage, "", "purge", "extra")
	c.fails(1, "422", "purge", "--url", "/no/host")
	c.fails(1, `there is no purge with the ID "none"`, "purge", "get", "none")
	c.fails(1, "control refuses the token", "purge", "--all", "--token", token.Generate())
	if out := c.must("purge", "ls"); strings.Count(out, "\n") != 1 {
		t.Errorf("something was purged: %q", out)
	}
}

func TestService_PutActivateHistory(t *testing.T) {
	c := startControl(t)
	file := writeTemp(t, "name: shop\nhosts: [shop.example]\nupstream: origin\n")
	if out := c.must("service", "validate", file); !strings.Contains(out, "a valid document of the service shop") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "put", file); !strings.Contains(out, "shop version 1 is stored") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "activate", "shop", "--wait"); !strings.Contains(out, "shop version 1 is active as of epoch 1") {
		t.Errorf("printed %q", out)
	}
	second := writeTemp(t, "name: shop\nhosts: [shop.example]\nupstream: origin\nrules: [{ttl: 1m}]\n")
	c.fails(1, "412", "service", "put", second, "--if-version", "0")
	c.join("edge-1")
	c.fails(exitPending, "pending   edge-1", "service", "put", second, "--if-version", "1", "--activate", "--wait", "--timeout", "2s")
	out := c.must("service", "activate", "shop", "2", "--wait", "--timeout", "20s")
	if !strings.Contains(out, "was active already") || !strings.Contains(out, "fenced    edge-1") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "diff", "shop", "--from", "1"); !strings.Contains(out, "+- ttl: 1m0s\n") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "activate", "shop", "1"); !strings.Contains(out, "version 1 is active as of") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "get", "shop", "--version", "active"); out != "name: shop\nhosts: [shop.example]\nupstream: origin\n" {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "history", "shop"); !regexp.MustCompile(`(?m)^1 .* active$`).MatchString(out) || strings.Count(out, "\n") != 3 {
		t.Errorf("printed %q", out)
	}
	if out := c.must("service", "ls"); !regexp.MustCompile(`(?m)^shop +1 +2 `).MatchString(out) {
		t.Errorf("printed %q", out)
	}
	c.fails(exitUsage, "--activate", "service", "put", second, "--wait")
	c.fails(1, "no such file", "service", "put", "/nowhere")
	c.fails(1, `there is no service "blog"`, "service", "activate", "blog")
	c.fails(1, `there is no version 7 of service "shop"`, "service", "activate", "shop", "7")
}

func TestService_MistakesAreShownAsCompilersDo(t *testing.T) {
	c := startControl(t)
	file := writeTemp(t, "name: shop\nhosts: [a]\nupstream: origin\nrules:\n- ttl: 1s\n- ttl: -1s\n")
	for _, args := range [][]string{{"put", file}, {"validate", file}, {"validate", file, "--offline"}} {
		c.fails(1, file+":6:8: rules[1].ttl: -1s: use", append([]string{"service"}, args...)...)
	}
	c.fails(1, file+":1:1: unknown field", "service", "validate", writeOver(t, file, "nmae: x\n"), "--offline")
}

// writeOver replaces a file's content and returns its path.
func writeOver(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestToken_CreateListRevoke(t *testing.T) {
	c := startControl(t)
	secret := strings.TrimSpace(c.must("token", "create", "ci", "--role", "read,purge", "--service", "shop"))
	if !strings.HasPrefix(secret, token.Prefix) {
		t.Fatalf("printed %q", secret)
	}
	c.must("service", "ls", "--token", secret)
	var list client.Tokens
	if err := json.Unmarshal([]byte(c.must("token", "ls", "-o", "json")), &list); err != nil || len(list.Tokens) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if out := c.must("token", "revoke", list.Tokens[0].ID); !strings.Contains(out, "is revoked as of epoch 1") {
		t.Errorf("printed %q", out)
	}
	if out := c.must("token", "revoke", list.Tokens[0].ID); !strings.Contains(out, "was revoked before, as of epoch 1") {
		t.Errorf("printed %q", out)
	}
	c.fails(1, "control refuses the token", "service", "ls", "--token", secret)
	if out := c.must("token", "ls"); !strings.Contains(out, "revoked ") || strings.Contains(out, secret) {
		t.Errorf("printed %q", out)
	}
	c.fails(exitUsage, "--role", "token", "create", "x")
	c.fails(1, `there is no token with the ID "nobody"`, "token", "revoke", "nobody")
	c.fails(1, "roles", "token", "create", "x", "--role", "root")
	if out := c.must("activity"); !strings.Contains(out, "token.revoke") || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("printed %q", out)
	}
	out := c.must("events")
	if !regexp.MustCompile(`(?m)^\S+ \S+ +1\d+  token  .*"revoked":true`).MatchString(out) || strings.Contains(out, "head") {
		t.Errorf("printed %q", out)
	}
}

func TestStatus_AppliedLagLease(t *testing.T) {
	c := startControl(t)
	if out := c.must("status"); !regexp.MustCompile(`(?m)^control-1 .* none$`).MatchString(out) || !strings.Contains(out, "APPLIED") {
		t.Errorf("printed %q", out)
	}
	c.join("edge-1")
	out, _, err := c.run("status")
	if exitCode(err) != exitPending || !strings.Contains(out, "edge-1") {
		t.Errorf("%v, printed %q", err, out)
	}
}
