package peers

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"tiercache/loadtests/platform"
)

// tiercacheEdge is an edge of a whole platform: it has a lease, stamps, its index of purges and its metrics, as in
// production. The edge alone is on the servers' processor; its platform is where the load is, and idle.
func tiercacheEdge() contender {
	return contender{
		name: "tiercache",
		version: func(ctx context.Context, cfg Config) (string, error) {
			return says(cfg.Program, "version")(ctx, cfg)
		},
		command: func(ctx context.Context, s *stand) ([]string, error) {
			data := filepath.Join(s.dir, "platform")
			offset := s.port + 1000 // its ports are 7070 and so on, with that added
			p, err := platform.Start(ctx, platform.Config{Program: s.cfg.Program, DataDir: data, PortOffset: offset, Args: []string{"--upstream", "http://" + s.site}})
			if err != nil {
				return nil, err
			}
			s.after = p.Stop
			node, err := platform.SettingsOf(data, "edge-1")
			if err != nil {
				p.Stop()
				return nil, err
			}
			config := fmt.Sprintf(edgeConfig, s.port, s.port+1, node.NATSURL, node.ControlURL, node.TierTokenFile, node.NATSSeedFile, node.Regionals)
			path := filepath.Join(s.dir, "edge.yaml")
			return []string{s.cfg.Program, "edge", "--config", path}, s.write(map[string]string{"edge.yaml": strings.TrimLeft(config, "\n")})
		},
	}
}

const edgeConfig = `
node: peers-1
region: r1
listen: 127.0.0.1:%d
admin_listen: 127.0.0.1:%d
nats_url: %s
control_url: %s
tier_token_file: %s
nats_seed_file: %s
regionals: %s
l1_size: 1GiB
`
