package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/control/postgres"
)

// Config says what is audited.
type Config struct {
	// Within is how long after a purge a node may serve what it concerns, as "current within" has it.
	Within time.Duration
	// Rate is how many entries are asked for in a second, of all nodes together; 0: as many as come.
	Rate int
	// Nodes are those that are audited; empty: all that hold entries.
	Nodes []string
	// Service is the one whose entries are audited; empty: all.
	Service string
}

// Fleet is the way to the nodes: client.Client is one.
type Fleet interface {
	Fleet(ctx context.Context) (client.Fleet, error)
	Entries(ctx context.Context, node string, r client.EntriesRequest) (client.EntryPage, error)
}

// Log is the control log in PostgreSQL: postgres.Reader is one.
type Log interface {
	Settled(ctx context.Context, after uint64, age time.Duration) (postgres.Settled, error)
}

// Address is where the origin keeps an object: host "*" serves every host.
type Address struct{ Host, Path string }

// Version is one version of an object.
type Version struct {
	ETag    string
	Created time.Time // when its write began
	Ended   time.Time // when the write began that took its place; zero: it is current
	Deleted bool      // it says that there is none
}

// Objects are the origin's, in PostgreSQL.
type Objects interface {
	// Versions are the last ones of each address, newest first; of an address that never had one there is nothing.
	Versions(ctx context.Context, of []Address) (map[Address][]Version, error)
}

// Deps are what an Auditor works with.
type Deps struct {
	Fleet   Fleet
	Log     Log
	Objects Objects // nil: content is not compared
}

// Auditor audits a fleet. It is for one goroutine.
type Auditor struct {
	cfg    Config
	deps   Deps
	purges *purges   // of the audit that runs
	now    time.Time // PostgreSQL's clock, from before the last read of the log
}

// New returns an auditor that has read nothing yet.
func New(cfg Config, deps Deps) *Auditor {
	return &Auditor{cfg: cfg, deps: deps}
}

// ErrNoSuchNode: a node that is to be audited is not in the fleet.
var ErrNoSuchNode = errors.New("no such node")

// Run audits each node once and calls found with each violation. What cannot be audited is in the report; an error means
// that there was nothing to audit by: those of the log and of control, ErrNoSuchNode, ctx's.
func (a *Auditor) Run(ctx context.Context, found func(*Violation)) (Report, error) {
	a.purges = newPurges(maxScopes) // anew: the log may have been set back since the last audit
	report := Report{Began: time.Now(), WithinMS: a.cfg.Within.Milliseconds(), Nodes: []NodeReport{}}
	if err := a.advance(ctx); err != nil {
		return report, err
	}
	nodes, err := a.nodes(ctx)
	if err != nil {
		return report, err
	}
	for i := range nodes {
		if why := nodes[i].Refused; why != "" {
			report.Nodes = append(report.Nodes, NodeReport{Node: nodes[i].Node, Tier: nodes[i].Tier, Region: nodes[i].Region, Problem: "control refuses it: " + why})
			continue
		}
		n, err := a.node(ctx, &nodes[i], found)
		if err != nil {
			return report, err
		}
		report.Nodes = append(report.Nodes, n)
	}
	report.sum(time.Now())
	return report, nil
}

// nodes are those to audit.
func (a *Auditor) nodes(ctx context.Context) ([]client.Node, error) {
	fleet, err := a.deps.Fleet.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	nodes := slices.DeleteFunc(fleet.Nodes, func(n client.Node) bool {
		return n.Tier != "edge" && n.Tier != "regional" || len(a.cfg.Nodes) > 0 && !slices.Contains(a.cfg.Nodes, n.Node)
	})
	for _, name := range a.cfg.Nodes {
		if !slices.ContainsFunc(nodes, func(n client.Node) bool { return n.Node == name }) {
			return nil, fmt.Errorf("%w: %q is no edge or regional node of this fleet", ErrNoSuchNode, name)
		}
	}
	return nodes, nil
}

// advance takes all purges that have become older than is allowed.
func (a *Auditor) advance(ctx context.Context) error {
	for more := true; more; {
		s, err := a.deps.Log.Settled(ctx, a.purges.through(), a.cfg.Within)
		if err != nil {
			return err
		}
		a.purges.startAt(s.Floor)
		for i := range s.Rows {
			a.purges.add(&s.Rows[i])
		}
		more, a.now = s.More, s.Now
	}
	return nil
}

// urlOf is the URL of an entry, for people.
func urlOf(e *client.Entry) string {
	var b strings.Builder
	for _, part := range []string{e.Scheme, "://", e.Host, e.Target} {
		b.WriteString(part)
	}
	return b.String()
}
