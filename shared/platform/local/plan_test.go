package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tiercache/shared/platform"
)

type portUse = platform.PortUse

func TestPlan_Default(t *testing.T) {
	cfg := Default()
	plan := NewPlan(&cfg)
	var got []string
	for _, use := range plan.Ports() {
		got = append(got, use.Use+" "+use.Addr)
	}
	want := []string{
		"control-1 127.0.0.1:7070", "control-1 (admin) 127.0.0.1:17070",
		"origin-1 127.0.0.1:7080", "origin-1 (admin) 127.0.0.1:17080",
		"regional-1 127.0.0.1:7090", "regional-1 (admin) 127.0.0.1:17090",
		"edge-1 127.0.0.1:8080", "edge-1 (admin) 127.0.0.1:18080",
		"edge-2 127.0.0.1:8081", "edge-2 (admin) 127.0.0.1:18081",
		"redis-r1 127.0.0.1:7379", "PostgreSQL 127.0.0.1:7432", "NATS 127.0.0.1:7060",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func TestPlan_Regions(t *testing.T) {
	cfg := Default()
	cfg.Edges, cfg.Regions, cfg.Regionals = 3, 2, 2
	plan := NewPlan(&cfg)
	var got []string
	for _, node := range append(plan.Of(tierRegional), plan.Of(tierEdge)...) {
		got = append(got, node.Name+" "+node.Region+" "+node.URL)
	}
	want := []string{
		"regional-1 r1 http://127.0.0.1:7090", "regional-2 r1 http://127.0.0.1:7091",
		"regional-3 r2 http://127.0.0.1:7092", "regional-4 r2 http://127.0.0.1:7093",
		"edge-1 r1 http://127.0.0.1:8080", "edge-2 r2 http://127.0.0.1:8081", "edge-3 r1 http://127.0.0.1:8082",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	if own := plan.regionalsFor("r2"); own[0] != "r2=http://127.0.0.1:7092" || len(own) != 4 || !strings.HasPrefix(own[2], "r1=") {
		t.Fatalf("regionals for r2: %q", own)
	}
	if got := plan.redisAddr(&cfg, "r2"); got != "127.0.0.1:7380" {
		t.Fatalf("redis of r2: %s", got)
	}
}

// The largest platform that Validate allows must not have two parts on one port.
func TestPlan_LargestHasNoPortTwice(t *testing.T) {
	cfg := Default()
	cfg.Edges, cfg.Regions, cfg.Regionals = maxEdges, maxRegions, maxRegionals
	cfg.PortOffset = maxPortOffset
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, seen := NewPlan(&cfg), map[string]string{}
	for _, use := range plan.Ports() {
		if other := seen[use.Addr]; other != "" {
			t.Errorf("%s: %s and %s", use.Addr, other, use.Use)
		}
		seen[use.Addr] = use.Use
		if len(use.Addr) > len("127.0.0.1:65535") || use.Addr > "127.0.0.1:65535" && len(use.Addr) == len("127.0.0.1:65535") {
			t.Errorf("no such port: %s", use.Addr)
		}
	}
}

func TestPlan_Bind(t *testing.T) {
	cfg := Default()
	cfg.Bind = "0.0.0.0"
	plan := NewPlan(&cfg)
	edge := plan.Of(tierEdge)[0]
	if edge.Listen != "0.0.0.0:8080" || edge.Admin != "127.0.0.1:18080" || edge.URL != "http://127.0.0.1:8080" {
		t.Fatalf("%+v", edge)
	}
}

// What is written must be what a strict reader reads, also with characters that YAML minds.
func TestSettings_ReadBack(t *testing.T) {
	cfg := Default()
	cfg.Upstream = "http://127.0.0.1:3000/"
	cfg.Edges, cfg.Regions = 2, 2
	plan := NewPlan(&cfg)
	around := surroundings{
		dir: `/data: #1 "é"`, postgresURL: "postgres://u:p%40@h/d?sslmode=disable",
		natsURL: "nats://127.0.0.1:7060", natsSeeds: "/seeds", redisPassword: "/redis.password",
	}
	for _, node := range plan.Nodes {
		content, err := render(node, plan.settings(&cfg, node, &around))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readNode(path)
		if err != nil {
			t.Fatalf("%s:\n%s\n%v", node.Name, content, err)
		}
		if got.Node != node.Name || got.TierTokenFile != around.tierToken() || got.NATSSeedFile != "/seeds/"+node.Tier+".seed" {
			t.Fatalf("%+v", got)
		}
		switch node.Name {
		case "edge-2":
			if got.L1Size != 256<<20 || len(got.Regionals) != 2 || got.Services != nil || got.StateFile != around.dir+"/nodes/edge-2/control.state" {
				t.Fatalf("%+v", got)
			}
		case "regional-2":
			if got.RedisAddrs[0] != "127.0.0.1:7380" || got.L2Prefix != "tc:r2:" || got.OriginURL != "http://127.0.0.1:7080" || got.StateFile == "" {
				t.Fatalf("%+v", got)
			}
		case "control-1":
			if got.PostgresURL != around.postgresURL || len(got.Services) != 1 || got.Services[0].Upstream != "http://127.0.0.1:3000" || got.StateFile != "" {
				t.Fatalf("%+v", got)
			}
		case "origin-1":
			if got.PostgresURL != around.postgresURL || got.AdminTokenFile != around.adminToken() {
				t.Fatalf("%+v", got)
			}
		}
	}
}

func TestEnvironment_HasNoSettingOfUpAndNoSecret(t *testing.T) {
	kept := []string{"PATH=/bin", "TIERCACHE_LOG_LEVEL=debug", "GOMEMLIMIT=1GiB", "TIERCACHE_OTLP_ENDPOINT=http://h:4318", "TIERCACHES=x"}
	got := environment(append([]string{
		"TIERCACHE_LISTEN=:1", "TIERCACHE_TOKEN=tct_secret", "TIERCACHE_DATA_DIR=/d", "TIERCACHE_POSTGRES_URL=postgres://u:secret@h/d",
		"TIERCACHE_NATS_URL=nats://u:secret@h", "TIERCACHE_SERVICES=x", "TIERCACHE_=",
	}, kept...))
	if !slices.Equal(got, kept) {
		t.Fatalf("got %q", got)
	}
}

// What a node's file says, no variable may change.
func TestEnvironment_OverridesNoFile(t *testing.T) {
	cfg := Default()
	plan := NewPlan(&cfg)
	around := surroundings{natsSeeds: "/seeds", redisPassword: "/redis.password"}
	for _, node := range plan.Nodes {
		for _, field := range plan.settings(&cfg, node, &around) {
			if slices.Contains(passedOn(), field.key) {
				t.Errorf("%s: %s is in the file", node.Name, field.key)
			}
		}
	}
}

func TestValidate_NamesTheFlagAndNoSecret(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--edges 0":             func(c *Config) { c.Edges = 0 },
		"--regions 17":          func(c *Config) { c.Regions = 17 },
		"--regionals -1":        func(c *Config) { c.Regionals = -1 },
		"--port-offset 50000":   func(c *Config) { c.PortOffset = 50_000 },
		"--l1-size":             func(c *Config) { c.L1Size = 0 },
		`--l2 "memcached"`:      func(c *Config) { c.L2 = "memcached" },
		`--bind "localhost"`:    func(c *Config) { c.Bind = "localhost" },
		"--upstream":            func(c *Config) { c.Upstream = "ftp://u:secret@h" },
		"--upstream: a user":    func(c *Config) { c.Upstream = "http://u:secret@h:3000" },
		`--upstream: "http`:     func(c *Config) { c.Upstream = "http://h:3000/path" },
		`--redis-addr: "foo"`:   func(c *Config) { c.RedisAddr = "foo" },
		`--redis-addr: "h:0"`:   func(c *Config) { c.RedisAddr = "h:0" },
		`--redis-addr: ":6379"`: func(c *Config) { c.RedisAddr = ":6379" },
		"--redis-addr":          func(c *Config) { c.RedisAddr = "redis://:secret@h:6379" },
		"--redis-addr: a user":  func(c *Config) { c.RedisAddr = "secret@h:6379" },
		"--nats-url":            func(c *Config) { c.NATSURL = "nats://h, nats://u:sec ret@h" },
		"--nats-url:":           func(c *Config) { c.NATSURL = "nats://u:1/secret@h" },
		"--postgres-url":        func(c *Config) { c.PostgresURL = "mysql://u:secret@h/d" },
		"--postgres-url: ":      func(c *Config) { c.PostgresURL = "postgres://u:secret@h/d?sslmode=none" },
		"--postgres-url: the":   func(c *Config) { c.PostgresURL = "postgres://u:1/secret@h/d" },
		"--redis-password-file": func(c *Config) { c.RedisPasswordFile = "x" },
		"--nats-seed-dir":       func(c *Config) { c.NATSSeedDir = "x" },
		"--backup is for":       func(c *Config) { c.Backup, c.PostgresURL = "x", "postgres://u:secret@h/d" },
		"--backup-keep 0":       func(c *Config) { c.BackupKeep = 0 },
		"--backup-every 1s":     func(c *Config) { c.BackupEvery = time.Second },
		"--backup-lag 1ms":      func(c *Config) { c.BackupLag = time.Millisecond },
	} {
		cfg := Default()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), flag) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", flag, err)
		}
	}
	cfg := Default()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestShown_HasNoUserAndNoPassword(t *testing.T) {
	for location, want := range map[string]string{
		"postgres://u:se,cret@h1:1,h2:2/d?password=secret": "h1:1,h2:2/d",
		"postgresql://u:s@cret@h/d":                        "h/d",
		"nats://h:1, nats://u:secret@h2":                   "h:1,h2",
		"u:secret@h2:4222,h3":                              "h2:4222,h3",
	} {
		if got := shown(location); got != want {
			t.Errorf("shown(%q) = %s, want %s", location, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"bin/tiercache": "bin/tiercache", "/my data": "'/my data'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'",
	} {
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestValidate_TakesTheUsualServers(t *testing.T) {
	cfg := Default()
	cfg.Upstream, cfg.RedisAddr = "https://site.example/", "redis.example:6379"
	for _, servers := range []string{"nats://h:4222", "h:4222,tls://other", "nats://u:p@[::1]:4222"} {
		cfg.NATSURL = servers
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", servers, err)
		}
	}
}
