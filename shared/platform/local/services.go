package local

import (
	"context"
	"net"
	"strings"
	"time"

	"tiercache/shared/config"
	"tiercache/shared/platform"
)

// Stages, by platform.Service.Stage: the highest stops first, so that what serves clients is drained while
// all that it needs is still there.
const (
	stagePostgres = iota
	stageRedis
	stageNATS
	stageControl
	stageOrigin
	stageRegional
	stageEdge
)

// stageOf is the stage of a tier's nodes.
func stageOf(tier string) int {
	switch tier {
	case tierControl:
		return stageControl
	case tierOrigin:
		return stageOrigin
	case tierRegional:
		return stageRegional
	default:
		return stageEdge
	}
}

// services are all child processes.
func (p *Platform) services() []platform.Service {
	var all []platform.Service
	if p.postgres != nil {
		all = append(all, platform.Service{
			Name: "postgres", Stage: stagePostgres, Program: p.postgres.Program, Ready: p.postgres.Ready, Loud: p.whileServing(loudPostgres),
		})
	}
	if p.around.repository != "" {
		all = append(all, p.backupService())
	}
	for i, server := range p.plan.Redis {
		all = append(all, platform.Service{
			Name: server.Name, Stage: stageRedis, Program: p.redis[i].Program, Ready: p.redis[i].Ready,
		})
	}
	if p.plan.NATSPort != 0 {
		all = append(all, p.natsService())
	}
	for _, node := range p.plan.Nodes {
		all = append(all, p.nodeService(node))
	}
	return all
}

func (p *Platform) natsService() platform.Service {
	addr := loopback(p.plan.NATSPort)
	return platform.Service{
		Name: "nats", Stage: stageNATS, Loud: p.whileServing(loudNode),
		Final:   config.ExitInvalid,
		Program: p.program("nats", "nats", "--listen", addr, "--credentials", p.around.natsSeeds),
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
}

func (p *Platform) nodeService(node Node) platform.Service {
	return platform.Service{
		Name: node.Name, Stage: stageOf(node.Tier), Loud: p.whileServing(loudNode),
		Final:   config.ExitInvalid,
		Program: p.program(node.Name, node.Tier, "--config", p.configFile(node)),
		Ready:   func(ctx context.Context) error { return askReady(ctx, node.Admin) },
	}
}

// program runs this binary.
func (p *Platform) program(name string, args ...string) func(context.Context) (platform.Program, error) {
	environ := environment(p.deps.Environ)
	return func(context.Context) (platform.Program, error) {
		return platform.Program{Name: name, Path: p.deps.Executable, Args: args, Env: environ}, nil
	}
}

// whileServing lets loud lines through only between the table and the stop.
func (p *Platform) whileServing(loud func(line string) bool) func(line string) bool {
	return func(line string) bool { return p.serving.Load() && loud(line) }
}

// loudNode picks a node's warnings and errors, by the form of slog's text handler.
func loudNode(line string) bool {
	return strings.Contains(line, " level=WARN ") || strings.Contains(line, " level=ERROR ") || strings.HasPrefix(line, "panic:")
}

// loudPostgres picks what only somebody at this machine can mend; errors of statements are told to whom
// they concern.
func loudPostgres(line string) bool {
	return strings.Contains(line, "PANIC:") || strings.Contains(line, "No space left on device") || strings.HasPrefix(line, "tiercache control backup archive: ")
}
