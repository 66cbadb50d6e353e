package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiercache/control/client"
)

// testObjectCommands takes one object through the commands: put, get, ls, rm.
func testObjectCommands(t *testing.T, u *up) {
	const object = "commands.example.test/dir/a b%25.bin"
	const url = "/dir/a%20b%25.bin"
	host := "Host: commands.example.test"
	first, second := pattern(700<<10, 1), []byte("the second version")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, first, 0o644); err != nil {
		t.Fatal(err)
	}
	put := u.object(t, "put", object, file, "--tag", "one", "--content-type", "application/x-test").succeeds(t)
	if !strings.HasPrefix(put, "commands.example.test"+url+" 716800 bytes \"") {
		t.Errorf("put says %q", put)
	}
	same(t, "get", []byte(u.object(t, "get", object).succeeds(t)), first)
	if got := get(t, u.edge(1)+url, host); got.header.Get("Content-Type") != "application/x-test" {
		t.Errorf("Content-Type %q", got.header.Get("Content-Type"))
	} else {
		same(t, "through the edge", got.body, first)
	}
	u.object(t, "put", object, file, "--if-none-match", "*").fails(t, "tiercache object put: ", "412 Precondition Failed")

	u.put(t, object, second)
	out := filepath.Join(t.TempDir(), "out")
	u.object(t, "get", object, "-O", out).succeeds(t)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, second) {
		t.Errorf("get -O wrote %q (%v)", got, err)
	}
	versions := listed(t, u.object(t, "ls", "-o", "json", "--versions", object))
	if len(versions) != 2 || versions[0].Size != len(second) || versions[1].Size != len(first) {
		t.Fatalf("ls --versions says %+v", versions)
	}
	same(t, "get of the first version", []byte(u.object(t, "get", object, "--version", fmt.Sprint(versions[1].Version)).succeeds(t)), first)
	if list := u.object(t, "ls", "commands.example.test").succeeds(t); strings.Count(list, "\n") != 1 || !strings.HasSuffix(list, "  "+url+"\n") {
		t.Errorf("ls says %q", list)
	}
	if all := listed(t, u.object(t, "ls", "-o", "json", "commands.example.test/dir")); len(all) != 1 || all[0].Path != url || all[0].Size != len(second) {
		t.Errorf("ls -o json says %+v", all)
	}
	u.object(t, "rm", object).succeeds(t)
	u.object(t, "get", object).fails(t, "tiercache object get: ", "404 Not Found")
	if list := u.object(t, "ls", "commands.example.test").succeeds(t); list != "" {
		t.Errorf("ls still says %q", list)
	}
}

// object is a line of `object ls -o json`.
type object struct {
	Path    string `json:"path"`
	Size    int    `json:"size"`
	Version int64  `json:"version"`
}

func listed(t *testing.T, list ended) (objects []object) {
	t.Helper()
	for decoder := json.NewDecoder(strings.NewReader(list.succeeds(t))); decoder.More(); {
		var o object
		if err := decoder.Decode(&o); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}

// testStatus wants the table and the JSON of a platform that is well.
func testStatus(t *testing.T, u *up) {
	patiently(t, recovery, func() error { return u.wholly(t) })
	arguments := []string{"status", "--data-dir", u.dir, "--control", u.url(controlPort)}
	table := strings.Split(strings.TrimSpace(tiercache(t, arguments...).succeeds(t)), "\n")
	nodes := []string{"control-1", "origin-1", "regional-1", "edge-1", "edge-2"}
	if len(table) != 1+len(nodes) || !strings.HasPrefix(table[0], "NODE ") {
		t.Fatalf("the table is\n%s", strings.Join(table, "\n"))
	}
	for i, node := range nodes {
		fields := strings.Fields(table[1+i])
		if fields[0] != node || fields[7] != "ready" || fields[5] != version {
			t.Errorf("want %s, ready, version %s; got %q", node, version, table[1+i])
		}
	}
	var fleet client.Fleet
	if err := json.Unmarshal([]byte(tiercache(t, append(arguments, "-o", "json")...).succeeds(t)), &fleet); err != nil {
		t.Fatal(err)
	}
	if !fleet.Ready || len(fleet.Nodes) != len(nodes) || fleet.Nodes[3].Addr != u.addr(edgePort) {
		t.Errorf("status -o json says %+v", fleet)
	}
	tiercache(t, "status", "--data-dir", u.dir, "--control", "http://127.0.0.1:1").fails(t, "tiercache status: ", "unreachable")
}
