package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const document = `# a service
name: shop
hosts: [a.example, "B"]
rules:
  - match: {path: /a}
    ttl: 1m
  -
    match:
      path: "x"
    stale_if_error: 1h
on_partition: *anchor
`

func TestLocate(t *testing.T) {
	for path, want := range map[string]string{
		"":                        "2:1",
		"name":                    "2:7",
		"hosts":                   "3:1",
		"hosts[1]":                "3:20",
		"hosts[7]":                "3:1", // the last part that is there
		"rules":                   "4:1",
		"rules[0]":                "5:5",
		"rules[0].ttl":            "6:10",
		"rules[0].match.path":     "5:19",
		"rules[1]":                "8:5",
		"rules[1].match":          "8:5",
		"rules[1].match.path":     "9:13",
		"rules[1].ttl":            "8:5",
		"rules[1].stale_if_error": "10:21",
		"on_partition.x":          "11:15",
	} {
		place, found := Locate([]byte(document), path)
		if got := fmt.Sprintf("%d:%d", place.Line, place.Column); !found || got != want {
			t.Errorf("%s: %s %t, want %s", path, got, found, want)
		}
	}
	for _, path := range []string{"upstream", "name2", "[0]"} {
		if place, found := Locate([]byte(document), path); found {
			t.Errorf("%q is at %v", path, place)
		}
	}
	if place, found := Locate([]byte(`{"name": "a", "rules": [{"ttl": "-1s"}]}`), "rules[0].ttl"); !found || place != (Place{1, 33}) {
		t.Errorf("in JSON: %v %t", place, found)
	}
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"lisen: a":                      `1:1 unknown field "lisen": did you mean listen?`,
		"node: a\nlisten: [":            `2:9 `,
		strings.Repeat("#", maxFile+1):  `0:0 larger than`,
		"node: hunter2\nl1_size: seven": `2:10 "seven" is not a size`,
	} {
		place, reason, ok := Explain(Decode("x", []byte(text), defaults()))
		if got := fmt.Sprintf("%d:%d %s", place.Line, place.Column, reason); !ok || !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, _, ok := Explain(errors.New("x")); ok {
		t.Error("any error is one of Decode")
	}
}

// checked finds a field of its own wrong.
type checked struct {
	Listen   string    `yaml:"listen"`
	Services []service `yaml:"services"`
}

type wrongField string

func (w wrongField) Error() string     { return string(w) + " is wrong" }
func (w wrongField) FieldPath() string { return string(w) }

func (c *checked) Validate() error { return fmt.Errorf("services: %w", wrongField(c.Listen)) }

func TestLoad_NamesTheLineOfWhatValidateFinds(t *testing.T) {
	file := writeFile(t, "listen: services[1].hosts[0]\nservices:\n- name: a\n- name: b\n  hosts: [c]\n")
	err := Load(&checked{}, Sources{File: file})
	if want := file + ":5:11: services: services[1].hosts[0] is wrong"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	var field wrongField
	if err := Load(&checked{Listen: "elsewhere"}, Sources{File: writeFile(t, "services: []\n")}); !errors.As(err, &field) || err.Error() != "config: services: elsewhere is wrong" {
		t.Errorf("got %v", err)
	}
}

// nested has what service documents are made of.
type nested struct {
	Name  string         `yaml:"name"`
	Count int            `yaml:"count"`
	Wait  time.Duration  `yaml:"wait"`
	Flag  bool           `yaml:"flag"`
	Texts []string       `yaml:"texts"`
	Limit *time.Duration `yaml:"limit"`
	Match struct {
		Path string `yaml:"path"`
	} `yaml:"match"`
	Rules []nested `yaml:"rules"`
	Nums  []int    `yaml:"nums"`
}

func drawNested(t *rapid.T, depth int) nested {
	n := nested{
		Name:  rapid.SampledFrom([]string{"", "a", "0123", "- x: {y", "é\n\"\\", "*", "null", "true"}).Draw(t, "name"),
		Count: rapid.IntRange(-2, 2).Draw(t, "count"), Flag: rapid.Bool().Draw(t, "flag"),
		Wait: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "wait")),
	}
	n.Texts = rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "#", "~"}), 0, 3).Draw(t, "texts")
	n.Match.Path = rapid.SampledFrom([]string{"", "/*", ": "}).Draw(t, "path")
	if rapid.Bool().Draw(t, "has limit") {
		n.Limit = new(time.Duration)
		*n.Limit = time.Duration(rapid.Int64Range(0, 2).Draw(t, "limit"))
	}
	for i := 0; depth < 2 && i < rapid.IntRange(0, 2).Draw(t, "rules"); i++ {
		n.Rules = append(n.Rules, drawNested(t, depth+1))
	}
	return n
}

func TestEncode_IsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawNested(t, 0)
		text := Encode(&want)
		var got nested
		if err := Decode("x", text, &got); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if again := Encode(&got); string(again) != string(text) || fmt.Sprintf("%q", got.Name) != fmt.Sprintf("%q", want.Name) {
			t.Fatalf("read back as\n%s\nwant\n%s", again, text)
		}
	})
}

func TestEncode_Form(t *testing.T) {
	second := time.Second
	n := nested{Name: "a", Texts: []string{"x", "y"}, Rules: []nested{{Limit: &second, Name: "r"}, {}, {Rules: []nested{{Count: 1}}}}}
	n.Rules[0].Match.Path = "/p"
	const want = `name: "a"
texts:
- "x"
- "y"
rules:
- name: "r"
  limit: 1s
  match:
    path: "/p"
- {}
- rules:
  - count: 1
`
	if got := string(Encode(&n)); got != want {
		t.Errorf("got\n%s", got)
	}
}

func FuzzLocate(f *testing.F) {
	f.Add([]byte(document), "rules[1].match.path")
	f.Add([]byte("a: &x [*x]"), "a[0][0]")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		if place, found := Locate(b, path); found && (place.Line < 1 || place.Column < 1) {
			t.Errorf("found at %v", place)
		}
	})
}
