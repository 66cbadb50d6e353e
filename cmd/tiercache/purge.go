package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

const (
	// The receipts of a purge are asked for again after firstLook, then after twice as long each time,
	// up to lastLook.
	firstLook = 5 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// purgeFlags are the settings of `purge`.
type purgeFlags struct {
	waiting
	request client.PurgeRequest
	soft    bool
	key     string
}

func newPurgeCommand() *cobra.Command {
	var access controlAccess
	var p purgeFlags
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Remove what changed from every cache of the fleet",
		Long: "Remove what changed from every cache of the fleet. What is named is a union; a URL stands for all of its variants,\n" +
			"and without a query for all queries. A hard purge is never served again; a soft one is revalidated first.\n" +
			"\n" +
			"With --wait it ends when the purge is complete: every node has applied it, or is fenced, that is holds no lease and\n" +
			"does not call itself current any more. The receipts say which; a script that cares looks at -o json.\n" +
			"Exit status: 0 purged, and with --wait complete, fenced nodes or not; 1 an error, after which it may have been\n" +
			"purged if control did not answer; 2 a wrong command line; 3 with --wait: purged, but some node is pending, or control was away when asked about it.",
		Example: "  tiercache purge --tag product-17 --wait\n" +
			"  tiercache purge --url https://shop.example/cart --prefix https://shop.example/img/\n" +
			"  tiercache purge --tag product-17 --in shop --soft\n" +
			"  tiercache purge --service shop --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd, &access) },
	}
	access.bind(cmd.PersistentFlags(), "purge")
	f, r := cmd.Flags(), &p.request
	f.StringArrayVar(&r.Tags, "tag", nil, "tag (Surrogate-Key, Cache-Tag) of any service, or of that of --in; may be repeated, as all lists here")
	f.StringVar(&r.Service, "in", "", "the service whose tags are meant")
	f.StringArrayVar(&r.URLs, "url", nil, "absolute URL")
	f.StringArrayVar(&r.Prefixes, "prefix", nil, "absolute URL that ends with /: everything below")
	f.StringArrayVar(&r.Hosts, "host", nil, "host name")
	f.StringArrayVar(&r.Services, "service", nil, "everything of this service")
	f.BoolVar(&r.All, "all", false, "everything")
	f.BoolVar(&p.soft, "soft", false, "revalidate before the next use instead of never using it again")
	f.BoolVar(&r.DryRun, "dry-run", false, "check, and purge nothing")
	p.bind(f, "wait until every node has applied it or is fenced")
	f.StringVar(&p.key, "idempotency-key", "", "makes a repeated command one purge (default: a new one each time)")
	cmd.AddCommand(newPurgeList(&access), newPurgeGet(&access))
	return cmd
}

func (p *purgeFlags) check() error {
	r := &p.request
	switch {
	case len(r.Tags)+len(r.URLs)+len(r.Prefixes)+len(r.Hosts)+len(r.Services) == 0 && !r.All:
		return errors.New("name what to purge: --tag, --url, --prefix, --host, --service or --all")
	case r.Service != "" && len(r.Tags) == 0:
		return errors.New("--in says whose tags are meant, but there is no --tag")
	case len(r.Tags) > 0 && len(r.Services) > 0:
		return errors.New("--service purges all of a service: use --in for the tags of one, or two commands for both")
	}
	if err := client.CheckKey(p.key); err != nil {
		return fmt.Errorf("--idempotency-key: %w", err)
	}
	return nil
}

func (p *purgeFlags) run(cmd *cobra.Command, access *controlAccess) error {
	if err := p.check(); err != nil {
		return usage(err)
	}
	c, err := access.client()
	if err != nil {
		return err
	}
	if p.soft {
		p.request.Mode = "soft"
	}
	if p.key == "" {
		p.key = rand.Text()
	}
	ctx, cancel := within(cmd.Context(), p.timeout)
	defer cancel()
	out := cmd.OutOrStdout()
	progress := p.wait && !p.request.DryRun && access.output == "table"
	if left := p.left(ctx); left > 0 && !progress {
		p.request.Wait = left.String()
	}
	done, err := c.CreatePurge(ctx, p.request, p.key)
	if err != nil {
		return p.unanswered(err)
	}
	switch {
	case progress:
		done, err = p.follow(ctx, out, c, done)
	case access.output == "table":
		err = printPurge(out, &done)
	default:
		err = access.print(out, done, nil)
	}
	if err == nil && p.wait && done.State == client.StatePending {
		return &exitError{code: exitPending, err: errPurgePending}
	}
	return err
}

// unanswered says what to do about a purge of which nobody knows whether it was made.
func (p *purgeFlags) unanswered(err error) error {
	if p.request.DryRun || !errors.Is(err, client.ErrUnreachable) {
		return err
	}
	return fmt.Errorf("%w\nit may have been purged: to be sure repeat the command, with --idempotency-key %s it is the same purge", err, p.key)
}

// errPurgePending is what a purge ends with that some node has not applied in time; the lines say which.
var errPurgePending = errors.New("purged, but not every node has applied it yet")

// follow prints each node's receipt as it comes, and returns when the purge is complete or the time of ctx is over. The
// purge is committed: a control that is away makes it pending, and no failure.
func (p *purgeFlags) follow(ctx context.Context, out io.Writer, c *client.Client, purge client.Purge) (client.Purge, error) {
	if _, err := fmt.Fprintln(out, purgeHead(&purge)); err != nil {
		return purge, err
	}
	shown := make(map[string]bool)
	var failed error // of the last look
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		if err := printNew(out, purge.Nodes, shown); err != nil || purge.State == client.StateComplete {
			return purge, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		next, err := c.Purge(ctx, purge.ID)
		switch {
		case late(ctx):
			return purge, errors.Join(printPending(out, purge.Nodes), p.unheard(&purge, failed))
		case err == nil:
			purge = next
		case ctx.Err() != nil:
			return purge, err
		case !mayPass(err):
			return purge, errors.Join(printPending(out, purge.Nodes), p.unheard(&purge, err))
		}
		failed = err // nil when it was answered
	}
}

// mayPass reports whether the same question may be answered a moment later.
func mayPass(err error) bool {
	var problem *client.Problem
	return errors.Is(err, client.ErrUnreachable) || errors.As(err, &problem) && problem.Status >= http.StatusInternalServerError
}

// unheard is what a purge ends with whose receipts could not be asked for because of failed; nil when that is nil.
func (p *purgeFlags) unheard(purge *client.Purge, failed error) error {
	if failed == nil {
		return nil
	}
	return &exitError{code: exitPending, err: fmt.Errorf(
		"purged, but what each node has made of it is not known: %w\n`tiercache purge get %s` tells; the command with --idempotency-key %s is the same purge", failed, printable(purge.ID), p.key)}
}

// printNew shows the receipts that are final and were not shown before.
func printNew(out io.Writer, nodes []client.Receipt, shown map[string]bool) error {
	for i := range nodes {
		r := &nodes[i]
		if r.State == client.StatePending || shown[r.Node] {
			continue
		}
		shown[r.Node] = true
		if _, err := fmt.Fprintln(out, receiptLine(r)); err != nil {
			return err
		}
	}
	return nil
}

func printPending(out io.Writer, nodes []client.Receipt) error {
	for i := range nodes {
		if nodes[i].State != client.StatePending {
			continue
		}
		if _, err := fmt.Fprintln(out, receiptLine(&nodes[i])); err != nil {
			return err
		}
	}
	return nil
}

func printPurge(out io.Writer, purge *client.Purge) error {
	if _, err := fmt.Fprintln(out, purgeHead(purge)); err != nil {
		return err
	}
	if err := printNew(out, purge.Nodes, map[string]bool{}); err != nil {
		return err
	}
	return printPending(out, purge.Nodes)
}

// purgeHead is a purge in one line.
func purgeHead(p *client.Purge) string {
	if p.State == client.StateDryRun {
		return fmt.Sprintf("dry run: things named: %d, mode: %s; nothing was purged", p.Scopes, p.Mode)
	}
	return fmt.Sprintf("purge %s epoch %s", printable(p.ID), epochText(p.Epoch))
}

// receiptLine is what one node has made of an entry.
func receiptLine(r *client.Receipt) string {
	took := "-"
	if r.State != client.StatePending {
		took = fmt.Sprintf("%d ms", r.MS)
	}
	return fmt.Sprintf("  %-8s  %-16s  %-8s  %-8s  %s", printable(r.State), printable(r.Node), printable(r.Tier), printable(r.Region), took)
}
