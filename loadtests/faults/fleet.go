package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tiercache/shared/bus/natsd"
	"tiercache/shared/platform"
	"tiercache/shared/policy"
	"tiercache/shared/token"
)

// Names of the fleet's parts, which are those of their hosts.
const (
	nats    = "nats"
	origin  = "origin-1"
	control = "control-1" // one of two
)

// startTime is how long the fleet may take until everything is ready.
const startTime = 2 * time.Minute

// fleet is all that runs.
type fleet struct {
	cfg      *Config
	programs programs
	net      *network
	parts    map[string]*part
	relays   map[string]*relay
	db       *database
	clusters int // that there were
	stores   map[string]*store
	token    string
	http     *http.Client
}

// addr is a host's address.
func addr(name string) string {
	return map[string]string{
		nats: "10.77.1.11", "postgres-1": "10.77.1.21", "postgres-2": "10.77.1.22",
		"redis-1": "10.77.1.31", "redis-2": "10.77.1.32", "replica-1": "10.77.1.33", "replica-2": "10.77.1.34",
		"control-1": "10.77.1.41", "control-2": "10.77.1.42", origin: "10.77.1.51", "regional-1": "10.77.1.61", "regional-2": "10.77.1.62",
		"edge-1": "10.77.1.71", "edge-2": "10.77.1.72", "edge-3": "10.77.1.73", "edge-4": "10.77.1.74",
		site: "10.77.0.81",
	}[name]
}

// port is where a part of that name listens.
func port(name string) int {
	kind, _, _ := strings.Cut(name, "-")
	return map[string]int{"nats": 4222, "postgres": 5432, "redis": 6379, "replica": 6379, "control": 7070, "origin": 7080, "regional": 7090, "edge": 8080, "site": 80}[kind]
}

func address(name string) string { return fmt.Sprintf("%s:%d", addr(name), port(name)) }

// behind are the parts that others reach through a relay.
func behind() []string {
	return []string{nats, "postgres-1", "redis-1", "redis-2", origin, "regional-1", "regional-2"}
}

// relayAddr is the address of the relay to a part.
func relayAddr(name string) string { return strings.Replace(addr(name), "10.77.1.", "10.77.0.1", 1) }

// via is where others reach a part.
func via(name string) string {
	for _, b := range behind() {
		if b == name {
			return fmt.Sprintf("%s:%d", relayAddr(name), port(name))
		}
	}
	return address(name)
}

// edges, nodes are those that cache; regionOf is the region of one.
func edges() []string { return []string{"edge-1", "edge-2", "edge-3", "edge-4"} }
func nodes() []string { return append(edges(), "regional-1", "regional-2") }
func regionOf(name string) string {
	switch name {
	case "edge-3", "edge-4", "regional-2", "control-2":
		return "2"
	}
	return "1"
}

// newFleet makes hosts, relays and files; it starts no part.
func newFleet(ctx context.Context, cfg *Config) (f *fleet, err error) {
	f = &fleet{cfg: cfg, parts: map[string]*part{}, relays: map[string]*relay{}, stores: map[string]*store{}, http: &http.Client{Timeout: 5 * time.Second}}
	if f.programs, err = findPrograms(); err != nil {
		return nil, err
	}
	if f.net, err = newNetwork(ctx); err != nil {
		return nil, err
	}
	for _, name := range append(nodes(), nats, "postgres-1", "postgres-2", "redis-1", "redis-2", "replica-1", "replica-2", "control-1", "control-2", origin) {
		if err := f.net.add(ctx, name, addr(name)); err != nil {
			return nil, fmt.Errorf("make the host %s: %w", name, err)
		}
	}
	if err := f.net.alias(ctx, addr(site)); err != nil {
		return nil, err
	}
	for _, name := range behind() {
		if err := f.net.alias(ctx, relayAddr(name)); err != nil {
			return nil, err
		}
		if f.relays[name], err = newRelay(name, via(name), address(name)); err != nil {
			return nil, err
		}
	}
	return f, f.prepare()
}

// prepare writes what nodes read.
func (f *fleet) prepare() error {
	if _, err := natsd.GenerateCredentials(scratch + "/nats"); err != nil {
		return err
	}
	f.token = token.Generate()
	for path, content := range map[string]string{"admin.token": f.token, "tier.token": platform.RandomSecret()} {
		if err := platform.WriteFile(filepath.Join(scratch, path), []byte(content+"\n")); err != nil {
			return err
		}
	}
	f.parts[nats] = f.tiercache(nats, "nats", "--listen", address(nats), "--credentials", scratch+"/nats")
	f.parts[nats].ready = dials(address(nats))
	for _, name := range append(nodes(), "control-1", "control-2", origin) {
		if err := f.prepareNode(name); err != nil {
			return err
		}
	}
	return nil
}

// tiercache is the binary as a part.
func (f *fleet) tiercache(name string, args ...string) *part {
	return &part{host: f.net.hosts[name], name: name, path: f.cfg.Program, args: args, logs: f.cfg.logs(), env: []string{
		clockEnv + "=" + clockFile(name), switchEnv(f.cfg.Switch),
	}}
}

func (f *fleet) prepareNode(name string) error {
	tier, _, _ := strings.Cut(name, "-")
	dir := filepath.Join(scratch, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var content []byte
	for key, value := range f.settings(name, tier) {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		content = fmt.Appendf(content, "%s: %s\n", key, text)
	}
	file := filepath.Join(dir, "config.yaml")
	if err := platform.WriteFile(file, content); err != nil {
		return err
	}
	if err := setClock(name, 0); err != nil {
		return err
	}
	f.parts[name] = f.tiercache(name, tier, "--config", file)
	f.parts[name].ready = f.answers("http://" + adminOf(name) + "/readyz")
	return nil
}

func adminOf(name string) string { return fmt.Sprintf("%s:%d", addr(name), port(name)+10000) }

// settings are those of a node's file.
func (f *fleet) settings(name, tier string) map[string]any {
	region := regionOf(name)
	s := map[string]any{
		"node": name, "region": "r" + region, "listen": address(name), "admin_listen": adminOf(name), "nats_url": "nats://" + via(nats),
		"nats_seed_file": natsd.SeedFile(scratch+"/nats", tier), "control_url": "http://" + address("control-"+region), "tier_token_file": scratch + "/tier.token",
		"drain_timeout": "5s",
	}
	if tier != "control" {
		s["state_file"] = filepath.Join(scratch, name, "control.state")
	}
	if tier == "control" || tier == "origin" {
		s["postgres_url"], s["admin_token_file"] = databaseURL(via("postgres-1")), scratch+"/admin.token"
	}
	switch tier {
	case "control":
		s["services"] = services()
		s["retention"] = "240h" // longer than any clock is set back: the checker wants the whole log
	case "origin":
		s["keep_versions"] = 100_000 // the checker wants to know which were committed
	case "regional":
		s["redis_addrs"], s["l2_prefix"], s["origin_url"] = []string{via("redis-" + region)}, "tc:r"+region+":", "http://"+via(origin)
	case "edge":
		own, other := "regional-"+region, "regional-"+map[string]string{"1": "2", "2": "1"}[region]
		s["l1_size"], s["origin_url"] = "16MiB", "http://"+via(origin)
		s["regionals"] = []string{"r" + region + "=http://" + via(own), "r" + regionOf(other) + "=http://" + via(other)}
	}
	return s
}

// services are the service documents, by their hosts: see pages.
func services() (list []map[string]any) {
	for _, name := range []string{"own", "strict", "site", "fast"} {
		s := map[string]any{"name": name, "hosts": []string{name + ".example"}, "upstream": "http://" + address(site), "timeout": "6s", "preserve_host": true}
		if name == "own" || name == "strict" {
			s["upstream"] = policy.UpstreamOrigin
		}
		if name == "strict" {
			s["on_partition"] = policy.PartitionStrict
		}
		list = append(list, s)
	}
	return list
}

// start starts everything and waits until it is ready.
func (f *fleet) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	db, err := f.makeDatabase(ctx)
	if err != nil {
		return err
	}
	f.db = db
	for _, region := range []string{"1", "2"} {
		if f.stores[region], err = f.newStore(ctx, "redis-"+region); err != nil {
			return err
		}
	}
	for _, names := range [][]string{{nats, "redis-1", "redis-2"}, {"control-1", "control-2"}, append(nodes(), origin)} {
		for _, name := range names {
			if err := f.parts[name].start(); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := f.parts[name].await(ctx, startTime); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop ends everything. What does not end by itself ends with the sandbox.
func (f *fleet) stop() error {
	var errs []error
	for _, p := range f.parts {
		errs = append(errs, p.kill())
	}
	for _, r := range f.relays {
		r.stop()
	}
	if f.db != nil {
		errs = append(errs, f.db.part.kill())
	}
	return errors.Join(errs...)
}

// answers is a part's readiness by HTTP.
func (f *fleet) answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := f.http.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close() // it is not read
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %d", url, response.StatusCode)
		}
		return nil
	}
}
