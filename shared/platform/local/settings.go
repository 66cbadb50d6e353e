package local

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tiercache/shared/bus/natsd"
	"tiercache/shared/policy"
)

// setting is one field of a node's configuration file.
type setting struct {
	key   string
	value any
}

// PostgresFile has the database's URL, with its password, below the data folder.
const PostgresFile = "postgres.url"

// surroundings are what nodes are told about the parts that are not nodes.
type surroundings struct {
	dir           string // the data folder, absolute
	postgresURL   string
	redisPassword string // file; empty: none
	natsURL       string
	natsSeeds     string // folder; empty: none
	repository    string // of backups; empty: none
}

func (s *surroundings) adminToken() string   { return filepath.Join(s.dir, "admin.token") }
func (s *surroundings) tierToken() string    { return filepath.Join(s.dir, "tier.token") }
func (s *surroundings) postgresFile() string { return filepath.Join(s.dir, PostgresFile) }

// settings are all fields of node's configuration file.
func (p *Plan) settings(cfg *Config, node Node, around *surroundings) []setting {
	fields := []setting{
		{"node", node.Name},
		{"region", node.Region},
		{"listen", node.Listen},
		{"admin_listen", node.Admin},
		{"log_format", "text"},
		{"nats_url", around.natsURL},
		{"control_url", p.Of(tierControl)[0].URL},
		{"tier_token_file", around.tierToken()},
	}
	if around.natsSeeds != "" {
		fields = append(fields, setting{"nats_seed_file", natsd.SeedFile(around.natsSeeds, node.Tier)})
	}
	switch node.Tier {
	case tierControl:
		// The documents reach the other nodes through the control log.
		return append(fields, setting{"postgres_url", around.postgresURL}, setting{"admin_token_file", around.adminToken()},
			setting{"services", documents(cfg.service())})
	case tierOrigin:
		fields = append(fields, setting{"postgres_url", around.postgresURL}, setting{"admin_token_file", around.adminToken()})
	case tierRegional:
		fields = append(fields, p.regionalSettings(cfg, node, around)...)
	default:
		fields = append(fields, p.edgeSettings(cfg, node)...)
	}
	return append(fields, setting{"state_file", around.stateFile(node)})
}

// stateFile is where a node keeps its view of the control log, so that it starts without control.
func (s *surroundings) stateFile(node Node) string {
	return filepath.Join(s.dir, "nodes", node.Name, "control.state")
}

func (p *Plan) regionalSettings(cfg *Config, node Node, around *surroundings) []setting {
	fields := []setting{
		{"l2", cfg.L2},
		{"redis_addrs", []string{p.redisAddr(cfg, node.Region)}},
		// Regions that share a given Redis must not share entries.
		{"l2_prefix", "tc:" + node.Region + ":"},
		{"origin_url", p.Of(tierOrigin)[0].URL},
	}
	if around.redisPassword != "" {
		fields = append(fields, setting{"redis_password_file", around.redisPassword})
	}
	return fields
}

func (p *Plan) edgeSettings(cfg *Config, node Node) []setting {
	return []setting{
		{"l1_size", strconv.FormatInt(int64(cfg.L1Size), 10)},
		{"regionals", p.regionalsFor(node.Region)},
		{"origin_url", p.Of(tierOrigin)[0].URL},
	}
}

func (p *Plan) redisAddr(cfg *Config, region string) string {
	for _, server := range p.Redis {
		if server.Region == region {
			return loopback(server.Port)
		}
	}
	return cfg.RedisAddr
}

// regionalsFor lists all regional nodes as region=url, those of the node's own region first.
func (p *Plan) regionalsFor(region string) []string {
	var own, other []string
	for _, node := range p.Of(tierRegional) {
		entry := node.Region + "=" + node.URL
		if node.Region == region {
			own = append(own, entry)
		} else {
			other = append(other, entry)
		}
	}
	return append(own, other...)
}

// documents is a service as a list of service documents.
func documents(s policy.Service) []map[string]any {
	return []map[string]any{{"name": s.Name, "hosts": s.Hosts, "upstream": s.Upstream}}
}

// render writes the fields as YAML, each value in JSON, which YAML contains.
func render(node Node, fields []setting) ([]byte, error) {
	out := fmt.Appendf(nil, "# %s, written by tiercache up at each start: changes are lost.\n", node.Name)
	for _, field := range fields {
		value, err := json.Marshal(field.value)
		if err != nil {
			return nil, fmt.Errorf("configuration of %s: %s: %w", node.Name, field.key, err)
		}
		out = fmt.Appendf(out, "%s: %s\n", field.key, value)
	}
	return out, nil
}

// variablePrefix starts the names of the variables that settings come from, up's own among them.
const variablePrefix = "TIERCACHE_"

// passedOn are the settings that nodes may take from up's environment: those that up has nothing to say about.
func passedOn() []string {
	return []string{
		"log_level", "drain_timeout", "otlp_endpoint", "trace_sample_ratio", "trust_traceparent",
		"max_object_size", "max_fills", "max_request_body", "direct_cap", "l2_timeout",
		"keep_versions", "keep_age", "retention", "max_members",
	}
}

// environment is what a child gets of environ. Of TIERCACHE_* it is passedOn alone: another variable would override
// what a node's file says, or is a secret, such as a token or the database's URL, that is not this child's.
func environment(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		key, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || slices.Contains(passedOn(), strings.ToLower(key)) {
			kept = append(kept, entry)
		}
	}
	return kept
}

// shown is the URL of a database, or a list of NATS servers, without users and passwords. Of these a list's have no
// comma, and a database's have what is before the last @.
func shown(location string) string {
	if strings.HasPrefix(location, "postgres") {
		return withoutUser(location)
	}
	var servers []string
	for server := range strings.SplitSeq(location, ",") {
		servers = append(servers, withoutUser(strings.TrimSpace(server)))
	}
	return strings.Join(servers, ",")
}

func withoutUser(location string) string {
	location, _, _ = strings.Cut(location, "?")
	if _, rest, ok := strings.Cut(location, "://"); ok {
		location = rest
	}
	return location[strings.LastIndexByte(location, '@')+1:]
}
