package main

import (
	"strings"
	"testing"

	"tiercache/shared/testkit"
)

func TestWatch_AddListRemove(t *testing.T) {
	c := startControl(t)
	testkit.Execute(t, c.postgres, "CREATE TABLE public.products (id int, name text)")
	if out := c.must("watch", "add", "public.products", "product:{id}", "name:{name}", "--service", "shop"); out != "public.products is watched; rows without a tag purge table:public.products\n" {
		t.Errorf("add: %q", out)
	}
	c.fails(1, "column nam of table public.products does not exist", "watch", "add", "public.products", "{nam}")
	c.fails(1, "does not exist", "watch", "add", "nobody", "{id}")
	c.fails(exitUsage, "at least 2 arg", "watch", "add", "public.products")
	testkit.Execute(t, c.postgres, "ALTER TABLE public.products DROP COLUMN name")
	lines := strings.Split(c.must("watch", "ls"), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[1]), " ") != "public.products shop product:{id} name:{name} table:public.products there is no column name" {
		t.Errorf("ls: %q", lines)
	}
	if out := c.must("watch", "ls", "-o", "json"); !strings.Contains(out, `"product:{id}"`) {
		t.Errorf("ls: %s", out)
	}
	if out := c.must("watch", "rm", "public.products"); out != "public.products is not watched any more\n" {
		t.Errorf("rm: %q", out)
	}
	c.fails(1, "is not watched", "watch", "rm", "public.products")
	if _, err := execute("control", "schema", "remove", "--yes", "--postgres-url", c.postgres); err == nil || !strings.Contains(err.Error(), "stop them first") {
		t.Errorf("removed while control runs: %v", err)
	}
}

func TestControlSchema_InstallUpgradeRemove(t *testing.T) {
	location := testkit.Postgres(t)
	t.Setenv(postgresVariable, "")
	run := func(want string, status int, args ...string) {
		t.Helper()
		out, err := execute(append([]string{"control", "schema"}, args...)...)
		code := 0
		if err != nil {
			code, out = exitCode(err), out+err.Error()
		}
		if code != status || !strings.Contains(out, want) {
			t.Errorf("%q: status %d, %s; want %d, %s", args, code, out, status, want)
		}
	}
	run("has no schema tiercache", 1, "upgrade", "--postgres-url", location)
	run("it was not there", 0, "install", "--postgres-url", location)
	run("it was ", 0, "upgrade", "--postgres-url", location)
	run("say --yes", exitUsage, "remove", "--postgres-url", location)
	run("--postgres-url or $TIERCACHE_POSTGRES_URL", exitUsage, "install")
	run("not of the form", 1, "install", "--postgres-url", "mysql://bob:hunter2@h/d")
	t.Setenv(postgresVariable, location)
	run("is removed", 0, "remove", "--yes")
	run("has no schema tiercache", 1, "remove", "--yes")
}
