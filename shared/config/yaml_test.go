package config

import (
	"strings"
	"testing"
)

func TestDecode_NamesPlaceAndRemedy(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"unknown":               {"node: a\nlisen: :80\n", `config edge.yaml:2:1: unknown field "lisen": did you mean listen?`},
		"unknown, nothing near": {"node: a\nqqqqqqqqqq: 1\n", `2:1: unknown field "qqqqqqqqqq": remove it`},
		"unknown, nested":       {"services:\n  - name: a\n    host: [b]\n", `3:5: unknown field "host": did you mean hosts?`},
		"unknown, inlined name": {"inlined: {}\n", `1:1: unknown field "inlined"`},
		"not a field":           {"computed: 1\n", `1:1: unknown field "computed"`},
		"repeated":              {"node: a\nlisten: b\nnode: c\n", `3:1: field "node" is there twice, first in line 1: remove one`},
		"size":                  {"node: a\nl1_size: 64 parsecs\n", `2:10: "64 parsecs" is not a size`},
		"size, list":            {"l1_size: [1]\n", `1:10: expected a single value`},
		"size, negative":        {"l1_size: -1\n", `1:10: "-1" is not a size`},
		"size behind pointer":   {"services: [{max_object_size: x}]\n", `1:30: "x" is not a size`},
		"duration":              {"drain_timeout: 10\n", `1:16: "10" is not a duration`},
		"duration, nested":      {"services:\n- timeout: soon\n", `2:12: "soon" is not a duration`},
		"number":                {"keep_versions: few\n", `1:16: "few" is not a whole number`},
		"number, range":         {"keep_versions: 99999999999999999999\n", `1:16: "99999999999999999999" is out of range`},
		"bool":                  {"verbose: yes\n", `1:10: "yes" is not true or false`},
		"text that is a number": {"node: 0123\n", `1:7: 0123 is not text: put it in quotes`},
		"text that is a map":    {"node: {a: b}\n", `expected a single value`},
		"no value":              {"node: a\nlisten:\n", `config edge.yaml:2:9: the field has no value`},
		"list":                  {"redis_addrs: a:1\n", `1:14: expected a list`},
		"list, value":           {"redis_addrs: [a, [b]]\n", `1:18: expected a single value`},
		"struct":                {"services: [text]\n", "1:12: expected fields, such as `name: ...`"},
		"root":                  {"just text\n", "1:1: expected fields, such as `node: ...`"},
		"map":                   {"services: [{labels: [a]}]\n", "1:21: expected entries"},
		"syntax":                {"node: a\n  listen: [\n", "config edge.yaml:"},
		"tab":                   {"node: a\nservices:\n\t- name: a\n", "config edge.yaml:3:"},
		"two documents":         {"node: a\n---\nnode: b\n", "3:5: a second document"},
		"deep":                  {strings.Repeat("[", 500), "1:1: nested deeper"},
		"deep by lines":         {"a:\n" + strings.Repeat(" ", 500) + "b: c", "2:1: nested deeper"},
		"unknown alias":         {"node: *nobody\n", "config edge.yaml:1:"},
		"large":                 {strings.Repeat("# 23456789\n", maxFile/10), "config edge.yaml: larger than"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := Decode("edge.yaml", []byte(c.text), defaults())
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestDecode_ErrorsKeepTheLinesOfTheFileToThemselves(t *testing.T) {
	err := Decode("x", []byte("node: hunter2\nnode: hunter2\nlisten: [\n"), defaults())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestDecode_AnchorsAndLists(t *testing.T) {
	cfg := defaults()
	err := Decode("x", []byte("node: &n \"123\"\nlisten: *n\nredis_addrs:\nservices:\n- &s {name: a, hosts: [b]}\n- *s\n"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Node != "123" || cfg.Listen != "123" || len(cfg.Services) != 2 || cfg.Services[1].Hosts[0] != "b" {
		t.Errorf("got %+v", cfg)
	}
	var list []service
	if err := Decode("x", []byte("- name: one\n- name: two\n"), &list); err != nil || len(list) != 2 {
		t.Errorf("a list as the document: %v %+v", err, list)
	}
}

func TestDecode_BillionLaughsIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for _, level := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		previous := string(rune(level[0] - 1))
		b.WriteString("a" + level + ": &a" + level + " [" + strings.Repeat("*a"+previous+",", 9) + "*a" + previous + "]\n")
	}
	if err := Decode("x", []byte(b.String()), defaults()); err == nil {
		t.Error("no error")
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "node: a", "l1_size: 64MiB\ndrain_timeout: 1s", "services:\n- name: a\n  hosts: ['*']\n  labels: {a: b}",
		"node: &a b\nlisten: *a", "<<: {node: a}", "redis_addrs: [a, b]", "node: |\n  text\n", "? a\n: b", "- a\n- b", "---\n...\n---",
		"node: !!str 1", "node: !!binary x", "a: [", "{", "\t", "node: \"\\u00e9\\x\"", "l1_size: 0x10", "%YAML 1.2\n---\nnode: a", "services: &x [*x]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := defaults()
		if err := Decode("f.yaml", b, cfg); err != nil && !strings.HasPrefix(err.Error(), "config f.yaml:") {
			t.Errorf("error without the file's name: %v", err)
		}
	})
}
