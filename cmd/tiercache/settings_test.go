package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiercache/shared/config"
)

// A supervisor tells by the exit status that another start would end the same.
func TestNodes_BadSettingsHaveAnExitStatusOfTheirOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	text := "node: n\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	service := "services: [{name: s, hosts: ['*'], upstream: 'http://127.0.0.1:1'}]\n"
	edge := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(edge, []byte(text+service), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"edge --config /nowhere/edge.yaml", "/nowhere/edge.yaml"},
		{"edge --config " + edge + " --l1-size 5", "l1_size"},
		{"edge --config " + edge + " --regionals foo", "regionals"},
		{"regional --config " + edge + " --redis-password-file /nowhere/password", "/nowhere/password"},
		{"control --config " + file + " --postgres-url postgres://h/d --admin-token-file /nowhere/token", "/nowhere/token"},
		{"origin --config " + file + " --postgres-url postgres://h/d --admin-token-file /nowhere/token", "/nowhere/token"},
		{"edge --config " + edge + " --nats-url nats://127.0.0.1:1 --nats-seed-file /nowhere/seed", "/nowhere/seed"},
		{"nats --listen 127.0.0.1", ""},
	} {
		cmd := newRootCommand()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(strings.Fields(c.args))
		err := cmd.ExecuteContext(context.Background())
		if err == nil || exitCode(err) != config.ExitInvalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

// A port that is taken may be free at the next start.
func TestNodes_WhatMayPassHasAnotherExitStatus(t *testing.T) {
	text := "node: n\nlisten: 192.0.2.1:1\nadmin_listen: 192.0.2.1:1\nlog_level: error\n" +
		"services: [{name: s, hosts: ['*'], upstream: 'http://127.0.0.1:1'}]\n"
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := execute("edge", "--config", file); err == nil || exitCode(err) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestUp_RefusesWhatNodesWould(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, says string }{
		{"--l1-size 5", "--l1-size: "},
		{"--upstream http://h:3000/path", "--upstream: "},
		{"--upstream http://bob:s3cret@h", "--upstream: "},
		{"--redis-addr foo", "--redis-addr: "},
	} {
		var out bytes.Buffer
		cmd := newRootCommand()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"up", "--data-dir", filepath.Join(dir, "data")}, strings.Fields(c.args)...))
		err := cmd.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", c.args, err, out.String())
		}
	}
	holds(t, dir, nil)
}
