package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// inlined stands for settings that several tiers share.
type inlined struct {
	Endpoint string  `yaml:"otlp_endpoint" usage:"where traces go"`
	Ratio    float64 `yaml:"trace_sample_ratio"`
}

type service struct {
	Name    string            `yaml:"name"`
	Hosts   []string          `yaml:"hosts"`
	Timeout time.Duration     `yaml:"timeout"`
	Limit   *Size             `yaml:"max_object_size"`
	Labels  map[string]string `yaml:"labels"`
}

type sample struct {
	Node     string        `yaml:"node" usage:"name of the node"`
	Listen   string        `yaml:"listen"`
	L1       Size          `yaml:"l1_size"`
	Drain    time.Duration `yaml:"drain_timeout"`
	Keep     int           `yaml:"keep_versions"`
	Verbose  bool          `yaml:"verbose"`
	Addrs    []string      `yaml:"redis_addrs"`
	Inlined  inlined       `yaml:",inline"`
	Services []service     `yaml:"services"`
	Computed int           `yaml:"-"`
}

func (s *sample) Validate() error {
	if s.Node == "invalid" {
		return errInvalid
	}
	return nil
}

var errInvalid = errors.New("node is invalid")

func defaults() *sample {
	return &sample{Node: "edge-1", L1: 256 << 20, Drain: 10 * time.Second, Addrs: []string{"127.0.0.1:6379"}}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parsedFlags(t *testing.T, cfg any, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("edge", pflag.ContinueOnError)
	fs.String("config", "", "")
	BindFlags(fs, cfg)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestLoad_LayersOverrideInOrder(t *testing.T) {
	cfg := defaults()
	fs := parsedFlags(t, cfg, "--config=x", "--l1-size", "3MiB", "--verbose", "--redis-addrs=a:1,b:2", "--redis-addrs=c:3")
	err := Load(cfg, Sources{
		File: writeFile(t, `
node: from-file
l1_size: 1MiB
drain_timeout: 1s
keep_versions: 5
otlp_endpoint: http://127.0.0.1:4318
services:
  - name: default
    hosts: ["*"]
    timeout: 30s
    max_object_size: 64MiB
    labels: {a: b}
`),
		Environ: []string{
			"TIERCACHE_L1_SIZE=2MiB", "TIERCACHE_DRAIN_TIMEOUT=2s", "TIERCACHE_TRACE_SAMPLE_RATIO=0.25",
			"TIERCACHE_POSTGRES_URL=another tier's", "TIERCACHE_COMPUTED=7", "L1_SIZE=9", "PATH=/bin",
		},
		Flags: fs,
	})
	if err != nil {
		t.Fatal(err)
	}
	limit := Size(64 << 20)
	want := &sample{
		Node: "from-file", L1: 3 << 20, Drain: 2 * time.Second, Keep: 5, Verbose: true,
		Addrs:   []string{"a:1", "b:2", "c:3"},
		Inlined: inlined{Endpoint: "http://127.0.0.1:4318", Ratio: 0.25},
		Services: []service{{
			Name: "default", Hosts: []string{"*"}, Timeout: 30 * time.Second, Limit: &limit,
			Labels: map[string]string{"a": "b"},
		}},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestLoad_NothingGivenKeepsDefaults(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# only a comment\n", "---\n", "null\n"} {
		cfg := defaults()
		if err := Load(cfg, Sources{File: writeFile(t, text), Flags: parsedFlags(t, cfg)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if !reflect.DeepEqual(cfg, defaults()) {
			t.Errorf("%q: got %+v", text, cfg)
		}
	}
}

func TestLoad_EmptyVariableEmptiesList(t *testing.T) {
	cfg := defaults()
	if err := Load(cfg, Sources{Environ: []string{"TIERCACHE_REDIS_ADDRS="}}); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Addrs) != 0 {
		t.Errorf("got %q", cfg.Addrs)
	}
}

func TestLoad_NamesTheSourceOfAMistake(t *testing.T) {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.String("l1-size", "", "a flag of the command's own")
	if err := fs.Parse([]string{"--l1-size=huge"}); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		src  Sources
		want []string
	}{
		"variable":     {Sources{Environ: []string{"TIERCACHE_DRAIN_TIMEOUT=10", "TIERCACHE_KEEP_VERSIONS=x"}}, []string{"variable TIERCACHE_DRAIN_TIMEOUT", "such as 500ms", "TIERCACHE_KEEP_VERSIONS"}},
		"flag":         {Sources{Flags: fs}, []string{"flag --l1-size", "such as 64MiB"}},
		"missing file": {Sources{File: "no/such.yaml"}, []string{"no/such.yaml", "no such file"}},
		"validate":     {Sources{Environ: []string{"TIERCACHE_NODE=invalid"}}, []string{"config: node is invalid"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := Load(defaults(), c.src)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestBindFlags_NamesDefaultsAndRejects(t *testing.T) {
	cfg := defaults()
	fs := parsedFlags(t, cfg)
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name+"="+f.DefValue) })
	want := []string{"config=", "drain-timeout=10s", "keep-versions=0", "l1-size=256MiB", "listen=", "node=edge-1",
		"otlp-endpoint=", "redis-addrs=127.0.0.1:6379", "trace-sample-ratio=0", "verbose=false"}
	if !slices.Equal(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
	err := fs.Parse([]string{"--l1-size=many"})
	if err == nil || !strings.Contains(err.Error(), "--l1-size") || !strings.Contains(err.Error(), "64MiB") {
		t.Errorf("got %v", err)
	}
	if cfg.L1 != 256<<20 {
		t.Error("a flag wrote to the configuration")
	}
}

func TestFields_TwoOfOneNamePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	BindFlags(pflag.NewFlagSet("x", pflag.ContinueOnError), &struct {
		A string `yaml:"same"`
		B string `yaml:"same"`
	}{})
}
