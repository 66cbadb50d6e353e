package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tiercache/regional/l2/redis"
	"tiercache/shared/testkit"
)

// patience is how long a server may take on a machine that is busy.
const patience = 30 * time.Second

// key is as long as the digest of a cache key.
const key = "0123456789abcdef"

// open returns a store of its own in the given servers. Tests of what is stored
// wait longer than a cache would: the machine may be busy.
func open(t *testing.T, change func(*redis.Config), addrs ...string) *redis.Store {
	t.Helper()
	cfg := redis.Config{Addrs: addrs, Prefix: fmt.Sprintf("test:%s:%d:", t.Name()[:8], time.Now().UnixNano()), Timeout: 5 * time.Second, DialTimeout: 5 * time.Second}
	if change != nil {
		change(&cfg)
	}
	store, err := redis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// startCluster starts three masters and joins them. It returns their addresses.
func startCluster(t *testing.T) []string {
	t.Helper()
	addrs := make([]string, 3)
	for i := range addrs {
		port := testkit.FreePort(t)
		addrs[i] = fmt.Sprintf("127.0.0.1:%d", port)
		startNode(t, port)
	}
	for _, addr := range addrs {
		testkit.Eventually(t, patience, func() error { return answers(t, addr) })
	}
	cli(t, append([]string{"--cluster", "create"}, append(addrs, "--cluster-yes")...)...)
	for _, addr := range addrs {
		testkit.Eventually(t, patience, func() error { return clusterOK(addr) })
	}
	return addrs
}

// startNode starts one node of a cluster, which is killed when the test ends.
func startNode(t *testing.T, port int) {
	t.Helper()
	dir := t.TempDir()
	var output bytes.Buffer
	cmd := exec.Command("redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir,
		"--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(dir, "nodes.conf"), "--cluster-node-timeout", "2000",
		"--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", "--daemonize", "no")
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server (Debian's package redis-server has it): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended, which Wait tells
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("redis on port %d:\n%s", port, output.String())
		}
	})
}

func answers(t *testing.T, addr string) error {
	_, err := open(t, nil, addr).Check(context.Background())
	return err
}

// clusterOK reports whether a node sees all slots served.
func clusterOK(addr string) error {
	out, err := command(addr, "cluster", "info")
	if err == nil && !bytes.Contains(out, []byte("cluster_state:ok")) {
		err = fmt.Errorf("cluster is not ok: %s", out)
	}
	return err
}

// command runs a command on one server.
func command(addr string, args ...string) ([]byte, error) {
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		return nil, err
	}
	return exec.Command("redis-cli", append([]string{"-p", fmt.Sprint(port)}, args...)...).CombinedOutput()
}

func mustCommand(t *testing.T, addr string, args ...string) string {
	t.Helper()
	out, err := command(addr, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func cli(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
}
