package local

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/config"
	"tiercache/shared/policy"
	"tiercache/shared/schema"
)

// Bounds that keep the port ranges of the tiers apart.
const (
	maxEdges      = 128
	maxRegions    = 16
	maxRegionals  = 16
	maxPortOffset = 40_000
)

// ErrInvalid is wrapped by errors about a Config.
var ErrInvalid = errors.New("invalid setting")

// Config is what `tiercache up` can be told. Default is the usual one.
type Config struct {
	Edges     int `yaml:"edges" usage:"number of edges, dealt out over the regions"`
	Regions   int `yaml:"regions" usage:"number of regions, each with a Redis of its own"`
	Regionals int `yaml:"regionals" usage:"number of regional nodes in each region"`

	L2         string      `yaml:"l2" usage:"store of the regional nodes: redis"`
	L1Size     config.Size `yaml:"l1_size" usage:"memory for stored responses in each edge"`
	Upstream   string      `yaml:"upstream" usage:"cache this site (http://host:port) instead of the origin's objects"`
	DataDir    string      `yaml:"data_dir" usage:"folder for everything that is kept"`
	Bind       string      `yaml:"bind" usage:"address that nodes listen on; admin listeners, PostgreSQL, Redis and NATS stay on 127.0.0.1"`
	PortOffset int         `yaml:"port_offset" usage:"added to every port, for a second platform on this machine"`

	Backup      string        `yaml:"backup" usage:"folder of backups: keep the private PostgreSQL's log there, and make base backups (none unless given)"`
	BackupKeep  int           `yaml:"backup_keep" usage:"how many base backups are kept, each with the log behind it"`
	BackupEvery time.Duration `yaml:"backup_every" usage:"how old the newest base backup gets before there is another"`
	BackupLag   time.Duration `yaml:"backup_lag" usage:"a part of the log is kept when it is full, and at the latest after this time"`

	PostgresURL       string `yaml:"postgres_url" usage:"use this PostgreSQL instead of a private one"`
	RedisAddr         string `yaml:"redis_addr" usage:"use the Redis at this host:port instead of private ones"`
	RedisPasswordFile string `yaml:"redis_password_file" usage:"file with the password for --redis-addr"`
	NATSURL           string `yaml:"nats_url" usage:"use this NATS server instead of a private one"`
	NATSSeedDir       string `yaml:"nats_seed_dir" usage:"folder with the seeds (ROLE.seed) for --nats-url"`
}

// Default is two edges, one region with one regional node, and all servers private.
func Default() Config {
	return Config{
		Edges: 2, Regions: 1, Regionals: 1, L2: "redis", L1Size: 256 << 20,
		DataDir: "./data", Bind: "127.0.0.1",
		BackupKeep: 2, BackupEvery: 24 * time.Hour, BackupLag: time.Minute,
	}
}

// readyTimeout bounds the start of the whole platform; a first one makes a database.
const readyTimeout = 60 * time.Second

// Validate reports the first setting that cannot work, by the name of its flag.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkCounts, c.checkServers, c.checkAddresses, c.checkBackup} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return nil
}

func (c *Config) checkCounts() error {
	for _, count := range []struct {
		flag            string
		value, low, top int
	}{
		{"edges", c.Edges, 1, maxEdges},
		{"regions", c.Regions, 1, maxRegions},
		{"regionals", c.Regionals, 1, maxRegionals},
		{"port-offset", c.PortOffset, 0, maxPortOffset},
	} {
		if count.value < count.low || count.value > count.top {
			return fmt.Errorf("--%s %d: use %d to %d", count.flag, count.value, count.low, count.top)
		}
	}
	if c.L1Size <= 0 {
		return fmt.Errorf("--l1-size %v: use a positive size such as 64MiB", c.L1Size)
	}
	return nil
}

func (c *Config) checkServers() error {
	switch {
	case c.L2 != "redis":
		return fmt.Errorf("--l2 %q: this version supports redis", c.L2)
	case c.DataDir == "":
		return errors.New("--data-dir is empty")
	case c.RedisPasswordFile != "" && c.RedisAddr == "":
		return errors.New("--redis-password-file is for --redis-addr, which is not given")
	case c.NATSSeedDir != "" && c.NATSURL == "":
		return errors.New("--nats-seed-dir is for --nats-url, which is not given")
	}
	return nil
}

func (c *Config) checkAddresses() error {
	if _, err := netip.ParseAddr(c.Bind); err != nil {
		return fmt.Errorf("--bind %q: use an IP address, such as 127.0.0.1 or 0.0.0.0", c.Bind)
	}
	// By the rules of the nodes, which get it as a service document.
	service := c.service()
	var field *policy.FieldError
	if err := service.Validate(); errors.As(err, &field) {
		return fmt.Errorf("--upstream: %s, such as http://127.0.0.1:3000", field.Reason)
	}
	if c.RedisAddr != "" {
		if err := checkHostPort(c.RedisAddr); err != nil {
			return fmt.Errorf("--redis-addr: %w, such as 127.0.0.1:6379", err)
		}
	}
	if c.NATSURL != "" {
		if err := bus.ValidURL(c.NATSURL); err != nil {
			return fmt.Errorf("--nats-url: %w", err)
		}
	}
	if c.PostgresURL != "" {
		if err := checkPostgres(c.PostgresURL); err != nil {
			return fmt.Errorf("--postgres-url: %w", err)
		}
	}
	return nil
}

func (c *Config) checkBackup() error {
	switch {
	case c.Backup != "" && c.PostgresURL != "":
		return errors.New("--backup is for the private PostgreSQL, and --postgres-url names another: see docs/OPERATIONS.md for its backups")
	case c.BackupKeep < 1:
		return fmt.Errorf("--backup-keep %d: use 1 or more", c.BackupKeep)
	case c.BackupEvery < time.Minute:
		return fmt.Errorf("--backup-every %v: use 1m or more", c.BackupEvery)
	case c.BackupLag < time.Second || c.BackupLag > time.Hour:
		return fmt.Errorf("--backup-lag %v: use 1s to 1h", c.BackupLag)
	}
	return nil
}

// service is the one service document: every host, from the origin or the given site.
func (c *Config) service() policy.Service {
	upstream := policy.UpstreamOrigin
	if c.Upstream != "" {
		upstream = strings.TrimSuffix(c.Upstream, "/")
	}
	return policy.Service{Name: "default", Hosts: []string{"*"}, Upstream: upstream}
}

// checkHostPort repeats no address that may have a password in it.
func checkHostPort(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if strings.Contains(addr, "@") {
		return errors.New("a user name or a password in the address is not supported: --redis-password-file has the password; use host:port")
	}
	if err == nil && host != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err == nil && number > 0 {
			return nil
		}
	}
	return fmt.Errorf("%q is not host:port", addr)
}

// checkPostgres wants a URL, of which the table can show the address. It never repeats it.
func checkPostgres(location string) error {
	if !strings.HasPrefix(location, "postgres://") && !strings.HasPrefix(location, "postgresql://") {
		return schema.ErrLocation
	}
	_, err := schema.ParseLocation(location)
	return err
}
