package local

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"tiercache/shared/bus/natsd"
	"tiercache/shared/platform"
	"tiercache/shared/token"
)

// prepare writes what nodes read: tokens, NATS credentials and one configuration file a node. What is
// there from an earlier start is kept, except for the configuration files.
func (p *Platform) prepare() error {
	if err := p.prepareTokens(); err != nil {
		return err
	}
	if err := p.prepareNATS(); err != nil {
		return err
	}
	if err := p.prepareRedis(); err != nil {
		return err
	}
	if err := p.preparePostgres(); err != nil {
		return err
	}
	// For people: psql takes it.
	if err := platform.WriteFile(p.around.postgresFile(), []byte(p.around.postgresURL+"\n")); err != nil {
		return fmt.Errorf("write the database's URL: %w", err)
	}
	return p.writeNodes()
}

// prepareTokens makes the tokens, or checks what is there by the rules of the nodes that will read it.
func (p *Platform) prepareTokens() error {
	for path, generate := range map[string]func() string{
		p.around.adminToken(): token.Generate,
		p.around.tierToken():  platform.RandomSecret,
	} {
		if _, err := platform.Secret(path, generate); err != nil {
			return err
		}
		secret, err := token.ReadFile(path)
		if err == nil && path == p.around.adminToken() {
			if err = new(token.Set).Add(secret, token.All); err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
		}
		if err != nil {
			return fmt.Errorf("%w\nput back what it was, or remove the file: then the next start makes a new one", err)
		}
	}
	return nil
}

func (p *Platform) prepareNATS() error {
	if p.plan.NATSPort == 0 {
		p.around.natsURL, p.around.natsSeeds = p.cfg.NATSURL, absolute(p.cfg.NATSSeedDir)
		return p.checkSeeds()
	}
	p.around.natsURL = "nats://" + loopback(p.plan.NATSPort)
	p.around.natsSeeds = filepath.Join(p.around.dir, "nats")
	_, err := natsd.GenerateCredentials(p.around.natsSeeds)
	return err
}

// checkSeeds wants the given seeds of all nodes to be there.
func (p *Platform) checkSeeds() error {
	if p.around.natsSeeds == "" {
		return nil
	}
	for _, tier := range []string{tierControl, tierOrigin, tierRegional, tierEdge} {
		if _, err := os.ReadFile(natsd.SeedFile(p.around.natsSeeds, tier)); err != nil {
			return fmt.Errorf("--nats-seed-dir: %w", err)
		}
	}
	return nil
}

func (p *Platform) prepareRedis() error {
	if len(p.plan.Redis) == 0 {
		p.around.redisPassword = absolute(p.cfg.RedisPasswordFile)
		if p.around.redisPassword == "" {
			return nil
		}
		if _, err := token.ReadFile(p.around.redisPassword); err != nil {
			return fmt.Errorf("--redis-password-file: %w", err)
		}
		return nil
	}
	p.around.redisPassword = filepath.Join(p.around.dir, "redis.password")
	password, err := platform.Secret(p.around.redisPassword, platform.RandomSecret)
	if err != nil {
		return err
	}
	for _, server := range p.plan.Redis {
		p.redis = append(p.redis, platform.NewRedis(platform.RedisConfig{Name: server.Name, Port: server.Port, Password: password}))
	}
	return nil
}

func (p *Platform) preparePostgres() (err error) {
	if p.plan.PostgresPort == 0 {
		p.around.postgresURL = p.cfg.PostgresURL
		return nil
	}
	p.postgres, err = platform.OpenPostgres(platform.PostgresConfig{
		Dir:  filepath.Join(p.around.dir, "postgres"),
		Port: p.plan.PostgresPort,
		Log:  slog.New(consoleHandler{out: p.out}),
	})
	if err != nil {
		return err
	}
	p.around.postgresURL = p.postgres.URL()
	return p.prepareBackup()
}

func (p *Platform) writeNodes() error {
	if err := os.MkdirAll(p.nodesDir(), 0o700); err != nil {
		return fmt.Errorf("write node configurations: %w", err)
	}
	for _, node := range p.plan.Nodes {
		content, err := render(node, p.plan.settings(&p.cfg, node, &p.around))
		if err != nil {
			return err
		}
		if err := platform.WriteFile(p.configFile(node), content); err != nil {
			return fmt.Errorf("write node configurations: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(p.around.stateFile(node)), 0o700); err != nil {
			return fmt.Errorf("make a folder for the state of %s: %w", node.Name, err)
		}
	}
	return nil
}

func (p *Platform) nodesDir() string { return filepath.Join(p.around.dir, "nodes") }

func (p *Platform) configFile(node Node) string {
	return filepath.Join(p.nodesDir(), node.Name+".yaml")
}

// absolute keeps an empty path empty. Nodes run in this process's folder, so a path that cannot be made
// absolute still works.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
