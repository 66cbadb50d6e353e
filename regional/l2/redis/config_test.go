package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestConfig_Validate(t *testing.T) {
	good := Config{Addrs: []string{"127.0.0.1:6379"}}
	for name, row := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":           {func(*Config) {}, ""},
		"cluster":        {func(c *Config) { c.Addrs = []string{"a:1", "[::1]:2"} }, ""},
		"no address":     {func(c *Config) { c.Addrs = nil }, "no address"},
		"no port":        {func(c *Config) { c.Addrs = []string{"a:1", "b"} }, "host:port"},
		"brace":          {func(c *Config) { c.Prefix = "a{b" }, "brace"},
		"long prefix":    {func(c *Config) { c.Prefix = strings.Repeat("x", 65) }, "65 bytes"},
		"negative":       {func(c *Config) { c.Timeout = -1 }, "negative"},
		"negative dial":  {func(c *Config) { c.DialTimeout = -1 }, "negative"},
		"negative conns": {func(c *Config) { c.PoolSize = -1 }, "negative"},
	} {
		c := good
		row.change(&c)
		err := c.Validate()
		if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
		if _, newErr := New(c); (newErr == nil) != (err == nil) {
			t.Errorf("%s: New says %v", name, newErr)
		}
	}
}

func TestConfig_TextHasNoPassword(t *testing.T) {
	c := Config{Addrs: []string{"127.0.0.1:6379"}, Password: "hunter2", Timeout: time.Second}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestReport(t *testing.T) {
	var r Report
	for _, info := range []string{
		"# Memory\r\nused_memory:1\r\nmaxmemory:2048\r\nmaxmemory_human:2K\r\nmaxmemory_policy:allkeys-lru\r\n",
		"maxmemory:1024\r\nmaxmemory_policy:noeviction\r\n",
		"maxmemory:4096\r\nmaxmemory_policy:allkeys-lfu\r\n",
	} {
		if err := r.add(info); err != nil {
			t.Fatal(err)
		}
	}
	if want := (Report{Servers: 3, MaxMemory: 1024, Policy: "noeviction"}); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	if err := r.add("# Memory\r\n"); err == nil {
		t.Error("an INFO without the settings was taken")
	}
	for policy, row := range map[string]struct {
		limit int64
		want  string
	}{"noeviction": {1, "noeviction"}, "allkeys-lfu": {0, "no maxmemory"}, "allkeys-lru": {1, ""}} {
		got := Report{Servers: 1, MaxMemory: row.limit, Policy: policy}.Warning()
		if (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s with %d: %q", policy, row.limit, got)
		}
	}
}
