package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/audit"
	controlpg "tiercache/control/postgres"
	"tiercache/origin"
	originpg "tiercache/origin/postgres"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

const (
	// postgresFile is the file in a data directory with the URL of the database that `up` runs.
	postgresFile = "postgres.url"
	// minEvery keeps audits from following each other at once.
	minEvery = time.Second
)

// auditFlags are the settings of `audit`.
type auditFlags struct {
	audit.Config
	location string
	every    time.Duration
	listen   string
	limit    int
}

func newAuditCommand() *cobra.Command {
	var access controlAccess
	f := auditFlags{Config: audit.Config{Within: 2 * time.Second, Rate: 5000}}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check what the nodes would serve against PostgreSQL",
		Long: "Check what the nodes would serve against PostgreSQL. Each edge and regional node is asked for all that it holds, page\n" +
			"by page. An entry that it would serve although a purge of it is older than --within is a violation: the control log in\n" +
			"PostgreSQL says so, which this command reads itself. What comes from the platform's own origin is compared with its\n" +
			"versions in PostgreSQL as well. Nothing is written, filled or counted as a hit; see docs/GUARANTEES.md.\n" +
			"\n" +
			"It ends after one audit, or with --every goes on until Ctrl-C, with metrics at --listen. It needs a token with the\n" +
			"role read, and a user of the database who may read tiercache.log and tiercache.state, and for content\n" +
			"origin.versions and origin.bodies.\n" +
			"Exit status: 0 all that was found is current; 1 it could not be audited; 2 a wrong command line; 3 some node could\n" +
			"not be audited, the others are current; 4 there are violations.",
		Example: "  tiercache audit\n" +
			"  tiercache audit --node edge-1 --service shop --within 500ms -o json\n" +
			"  tiercache audit --every 10m --rate 1000 --listen 127.0.0.1:17071",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, &access) },
	}
	access.bind(cmd.Flags(), "read")
	fs := cmd.Flags()
	fs.StringVar(&f.location, "postgres-url", "", "URL of the database (default $"+postgresVariable+", else what <data-dir>/"+postgresFile+" says)")
	fs.DurationVar(&f.Within, "within", f.Within, "how old a purge may be that a node does not heed yet")
	fs.IntVar(&f.Rate, "rate", f.Rate, "entries to ask for in a second; 0: as fast as nodes answer")
	fs.StringArrayVar(&f.Nodes, "node", nil, "audit this node alone; may be repeated")
	fs.StringVar(&f.Service, "service", "", "audit the entries of this service alone")
	fs.DurationVar(&f.every, "every", 0, "begin another audit each time that this has passed, until Ctrl-C")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:17071", "with --every: host:port of health and metrics")
	fs.IntVar(&f.limit, "limit", 1000, "how many violations to show; all are counted")
	return cmd
}

func (f *auditFlags) check() error {
	switch {
	case f.Within < 0:
		return fmt.Errorf("--within %v is below 0", f.Within)
	case f.Rate < 0:
		return fmt.Errorf("--rate %d is below 0", f.Rate)
	case f.limit < 0:
		return fmt.Errorf("--limit %d is below 0", f.limit)
	case f.every != 0 && f.every < minEvery:
		return fmt.Errorf("--every %v is below %v", f.every, minEvery)
	}
	return nil
}

func (f *auditFlags) run(cmd *cobra.Command, access *controlAccess) error {
	if err := f.check(); err != nil {
		return usage(err)
	}
	deps, closeAll, err := f.deps(cmd.Context(), access)
	if err != nil {
		return err
	}
	defer closeAll()
	auditor := audit.New(f.Config, deps)
	if f.every > 0 {
		return f.repeat(cmd, access, auditor)
	}
	p := auditPrinter{out: cmd.OutOrStdout(), json: access.output == "json", limit: f.limit}
	report, err := auditor.Run(cmd.Context(), p.found)
	if err != nil {
		return err
	}
	if err := p.done(&report); err != nil {
		return err
	}
	return auditOutcome(&report)
}

// Outcomes of an audit that is no success.
var (
	errViolations = errors.New("some entries are not current")
	errNotWhole   = errors.New("not every node could be audited")
)

func auditOutcome(r *audit.Report) error {
	switch {
	case r.Violations > 0:
		return &exitError{code: exitViolations, err: errViolations}
	case !r.Whole:
		return &exitError{code: exitPending, err: errNotWhole}
	}
	return nil
}

// deps connect to control and PostgreSQL.
func (f *auditFlags) deps(ctx context.Context, access *controlAccess) (deps audit.Deps, closeAll func(), err error) {
	c, err := access.client()
	if err != nil {
		return deps, nil, err
	}
	location, err := f.database(access.dataDir)
	if err != nil {
		return deps, nil, err
	}
	log, err := controlpg.OpenReader(ctx, location)
	if err != nil {
		return deps, nil, err
	}
	objects, err := originpg.OpenReader(ctx, location)
	if err != nil {
		log.Close()
		return deps, nil, err
	}
	deps = audit.Deps{Fleet: c, Log: log}
	closeAll = func() { log.Close(); objects.Close() }
	there, err := objects.Installed(ctx)
	if err != nil {
		closeAll()
		return deps, nil, err
	}
	if there {
		deps.Objects = originObjects{objects}
	}
	return deps, closeAll, nil
}

// database is the URL of the database: as it was given, else that of a platform that `up` runs.
func (f *auditFlags) database(dataDir string) (string, error) {
	location, err := findLocation(f.location)
	if err == nil {
		return location, nil
	}
	file := filepath.Join(dataDir, postgresFile)
	content, readErr := os.ReadFile(file)
	if readErr != nil {
		return "", fmt.Errorf("%w, or with --data-dir the directory that has %s: %w", err, postgresFile, readErr)
	}
	return strings.TrimSpace(string(content)), nil
}

// repeat audits again and again.
func (f *auditFlags) repeat(cmd *cobra.Command, access *controlAccess, auditor *audit.Auditor) error {
	ctx := cmd.Context()
	tel, err := telemetry.New(ctx, telemetry.Config{}, telemetry.Resource{Tier: "audit", Node: "audit", Version: version})
	if err != nil {
		return err
	}
	defer func() { _ = tel.Shutdown(context.WithoutCancel(ctx)) }() // it sends nothing
	metrics := audit.NewMetrics()
	if err := metrics.Observe(tel.Meter()); err != nil {
		return err
	}
	health := runner.NewHealth()
	audits := runner.Part{Name: "audit", Run: func(ctx context.Context, ready func()) error {
		ready()
		for next := time.Now(); ; {
			if err := f.again(ctx, cmd, access, auditor, metrics, health.Component("audit", false)); err != nil || ctx.Err() != nil {
				return err
			}
			next = next.Add(f.every)
			if now := time.Now(); next.Before(now) {
				next = now // an audit took longer than that
			}
			select {
			case <-time.After(time.Until(next)):
			case <-ctx.Done():
				return nil
			}
		}
	}}
	return runner.Run(ctx, runner.Options{Health: health}, runner.Admin(f.listen, health, tel.MetricsHandler()), audits)
}

// again is one audit of many. One that could not be made is told; the error is of who reads.
func (f *auditFlags) again(ctx context.Context, cmd *cobra.Command, access *controlAccess, auditor *audit.Auditor, metrics *audit.Metrics, health *runner.Component) error {
	p := auditPrinter{out: cmd.OutOrStdout(), json: access.output == "json", lines: true, limit: f.limit}
	report, err := auditor.Run(ctx, func(v *audit.Violation) {
		metrics.Violation(v)
		p.found(v)
	})
	if ctx.Err() != nil {
		return nil
	}
	metrics.Done(&report, err)
	if err != nil {
		health.Fail(err.Error())
		fmt.Fprintf(cmd.ErrOrStderr(), "%s  no audit: %v\n", time.Now().Format(time.DateTime), err) // a terminal that is gone ends the command anyway
		return nil
	}
	health.OK(auditLine(&report))
	return p.done(&report)
}

// originObjects are the origin's objects as an audit asks for them.
type originObjects struct{ reader *originpg.Reader }

// Versions implements audit.Objects.
func (o originObjects) Versions(ctx context.Context, of []audit.Address) (map[audit.Address][]audit.Version, error) {
	addresses := make([]origin.Address, len(of))
	for i, a := range of {
		addresses[i] = origin.Address(a)
	}
	recent, err := o.reader.Recent(ctx, addresses)
	found := make(map[audit.Address][]audit.Version, len(recent))
	for address, objects := range recent {
		versions := make([]audit.Version, len(objects))
		for i := range objects {
			v := &objects[i]
			versions[i] = audit.Version{ETag: v.ETag(), Created: v.Created, Ended: v.Ended, Deleted: v.Deleted}
		}
		found[audit.Address(address)] = versions
	}
	return found, err
}
