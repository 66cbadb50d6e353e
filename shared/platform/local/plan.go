package local

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"tiercache/shared/platform"
)

// Where each tier's ports begin, before the offset. A node's admin listener is adminDistance higher.
const (
	natsPort      = 7060
	controlPort   = 7070
	originPort    = 7080
	regionalPort  = 7090
	redisPort     = 7379
	postgresPort  = 7432
	edgePort      = 8080
	adminDistance = 10_000
)

// Tiers, in the order in which the table shows them. Each is the name of the command that runs it.
const (
	tierControl  = "control"
	tierOrigin   = "origin"
	tierRegional = "regional"
	tierEdge     = "edge"
)

// Node is one tiercache process.
type Node struct {
	Name   string
	Tier   string
	Region string
	// Listen and Admin are host:port.
	Listen, Admin string
	// URL is how others on this machine reach Listen.
	URL string
}

// Server is a private Redis; one a region.
type Server struct {
	Name   string
	Region string
	Port   int
}

// Plan is which parts there are and where they listen. It is a pure function of the Config.
type Plan struct {
	Nodes        []Node // control, origin, regional nodes, edges
	Redis        []Server
	PostgresPort int // 0: given by --postgres-url
	NATSPort     int // 0: given by --nats-url
}

// NewPlan deals out names, regions and ports. cfg must be valid.
func NewPlan(cfg *Config) Plan {
	p := Plan{}
	add := func(name, tier, region string, port int) {
		p.Nodes = append(p.Nodes, newNode(cfg, name, tier, region, port))
	}
	add("control-1", tierControl, regionName(0), controlPort)
	add("origin-1", tierOrigin, regionName(0), originPort)
	for i := range cfg.Regions * cfg.Regionals {
		add(numbered("regional", i), tierRegional, regionName(i/cfg.Regionals), regionalPort+i)
	}
	for i := range cfg.Edges {
		add(numbered("edge", i), tierEdge, regionName(i%cfg.Regions), edgePort+i)
	}
	if cfg.RedisAddr == "" {
		for i := range cfg.Regions {
			p.Redis = append(p.Redis, Server{Name: "redis-" + regionName(i), Region: regionName(i), Port: redisPort + i + cfg.PortOffset})
		}
	}
	if cfg.PostgresURL == "" {
		p.PostgresPort = postgresPort + cfg.PortOffset
	}
	if cfg.NATSURL == "" {
		p.NATSPort = natsPort + cfg.PortOffset
	}
	return p
}

func newNode(cfg *Config, name, tier, region string, port int) Node {
	port += cfg.PortOffset
	return Node{
		Name: name, Tier: tier, Region: region,
		Listen: net.JoinHostPort(cfg.Bind, strconv.Itoa(port)),
		Admin:  loopback(port + adminDistance),
		URL:    "http://" + net.JoinHostPort(reachable(cfg.Bind), strconv.Itoa(port)),
	}
}

func regionName(i int) string { return "r" + strconv.Itoa(i+1) }

func numbered(tier string, i int) string { return fmt.Sprintf("%s-%d", tier, i+1) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// reachable is the address to use for a listener on bind: loopback for one on all addresses.
func reachable(bind string) string {
	if addr, err := netip.ParseAddr(bind); err == nil && addr.IsUnspecified() {
		return "127.0.0.1"
	}
	return bind
}

// Of are the nodes of a tier.
func (p *Plan) Of(tier string) []Node {
	var nodes []Node
	for _, node := range p.Nodes {
		if node.Tier == tier {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// Ports are all addresses that the parts listen on.
func (p *Plan) Ports() []platform.PortUse {
	var uses []platform.PortUse
	for _, node := range p.Nodes {
		uses = append(uses,
			platform.PortUse{Addr: node.Listen, Use: node.Name},
			platform.PortUse{Addr: node.Admin, Use: node.Name + " (admin)"})
	}
	for _, server := range p.Redis {
		uses = append(uses, platform.PortUse{Addr: loopback(server.Port), Use: server.Name})
	}
	if p.PostgresPort != 0 {
		uses = append(uses, platform.PortUse{Addr: loopback(p.PostgresPort), Use: "PostgreSQL"})
	}
	if p.NATSPort != 0 {
		uses = append(uses, platform.PortUse{Addr: loopback(p.NATSPort), Use: "NATS"})
	}
	return uses
}
