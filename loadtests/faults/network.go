package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// The network: a bridge in the sandbox, on which this process is, and a namespace for each host, joined to it by a pair of
// virtual interfaces.
const (
	bridge     = "br0"
	bridgeAddr = "10.77.0.1"
)

// host is a machine of the fleet: a network namespace with an address.
type host struct {
	net  *network
	name string
	addr string
	port string // its end of the pair, on the bridge

	mu     sync.Mutex
	faults map[string][]string // rules of its firewall by the fault that they are of
}

// network is all hosts.
type network struct {
	hosts map[string]*host
}

// newNetwork makes the bridge.
func newNetwork(ctx context.Context) (*network, error) {
	setup := "link set lo up\nlink add " + bridge + " type bridge\nlink set " + bridge + " up\naddr add " + bridgeAddr + "/16 dev " + bridge + "\n"
	if _, err := command(ctx, setup, "ip", "-batch", "-"); err != nil {
		return nil, err
	}
	return &network{hosts: map[string]*host{}}, nil
}

// add makes a host.
func (n *network) add(ctx context.Context, name, addr string) error {
	h := &host{net: n, name: name, addr: addr, port: fmt.Sprintf("v%d", len(n.hosts)), faults: map[string][]string{}}
	outside := fmt.Sprintf("netns add %s\nlink add %s type veth peer name eth0 netns %s\nlink set %s master %s up\n", name, h.port, name, h.port, bridge)
	if _, err := command(ctx, outside, "ip", "-batch", "-"); err != nil {
		return err
	}
	inside := fmt.Sprintf("addr add %s/16 dev eth0\nlink set eth0 up\nlink set lo up\n", addr)
	if _, err := command(ctx, inside, "ip", "-n", name, "-batch", "-"); err != nil {
		return err
	}
	n.hosts[name] = h
	return h.firewall(ctx)
}

// alias gives this process one more address.
func (n *network) alias(ctx context.Context, addr string) error {
	_, err := command(ctx, "", "ip", "addr", "add", addr+"/16", "dev", bridge)
	return err
}

// enter is the command line that runs something on the host, as that user unless it is empty.
func (h *host) enter(account string, args ...string) []string {
	line := []string{"--net=/run/netns/" + h.name, "--"}
	if account != "" {
		// The kernel forgets whom to tell of our death when a process changes its user.
		line = append(line, "setpriv", "--reuid="+account, "--regid="+account, "--clear-groups", "--pdeathsig=KILL", "--")
	}
	return append(line, args...)
}

// firewall puts the rules of all faults into force.
func (h *host) firewall(ctx context.Context) error {
	var rules strings.Builder
	rules.WriteString("table inet faults {}\ndelete table inet faults\ntable inet faults {\n" +
		"chain in { type filter hook input priority 0; policy accept; }\nchain out { type filter hook output priority 0; policy accept; }\n}\n")
	for _, list := range h.faults {
		for _, rule := range list {
			rules.WriteString("add rule inet faults " + rule + "\n")
		}
	}
	_, err := command(ctx, rules.String(), "nsenter", h.enter("", "nft", "-f", "-")...)
	return err
}

// set puts rules of a fault into force, or takes those that it has away.
func (h *host) set(ctx context.Context, fault string, rules ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.faults, fault); len(rules) > 0 {
		h.faults[fault] = rules
	}
	return h.firewall(ctx)
}

// cut drops what the host sends to addresses, what comes from them, or both.
func (h *host) cut(ctx context.Context, fault string, addrs []string, sent, received bool) error {
	var rules []string
	set := "{ " + strings.Join(addrs, ", ") + " }"
	if sent {
		rules = append(rules, "out ip daddr "+set+" drop")
	}
	if received {
		rules = append(rules, "in ip saddr "+set+" drop")
	}
	return h.set(ctx, fault, rules...)
}

// lose drops that share of all packets, in hundredths, in the directions that are named: in, out.
func (h *host) lose(ctx context.Context, fault string, share int, ways ...string) error {
	var rules []string
	for _, way := range ways {
		rules = append(rules, fmt.Sprintf("%s numgen random mod 100 < %d drop", way, share))
	}
	return h.set(ctx, fault, rules...)
}

// narrow bounds what goes to the host and comes from it, in bits a second; widen undoes it.
func (h *host) narrow(ctx context.Context, bits int) error {
	shape := strings.Fields(fmt.Sprintf("root tbf rate %dbit burst 8kb latency 300ms", bits))
	if _, err := command(ctx, "", "tc", append([]string{"-n", h.name, "qdisc", "add", "dev", "eth0"}, shape...)...); err != nil {
		return err
	}
	_, err := command(ctx, "", "tc", append([]string{"qdisc", "add", "dev", h.port}, shape...)...)
	return err
}

func (h *host) widen(ctx context.Context) error {
	if _, err := command(ctx, "", "tc", "-n", h.name, "qdisc", "del", "dev", "eth0", "root"); err != nil {
		return err
	}
	_, err := command(ctx, "", "tc", "qdisc", "del", "dev", h.port, "root")
	return err
}
