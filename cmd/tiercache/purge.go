package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tiercache/control/client"
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
			"does not call itself current any more. The receipts say which; a script that cares looks at -o json. On a terminal it\n" +
			"shows who is missing, and when that node was heard last. Ctrl-C ends the waiting and not the purge: what is committed\n" +
			"is not taken back. `tiercache purge wait ID` waits again.\n" +
			"\n" +
			"With --dry-run each node tells what it holds of what is named, within --timeout, and how far off that may be.\n" +
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
	f.BoolVar(&r.DryRun, "dry-run", false, "check, tell what it would concern on each node, and purge nothing")
	p.bind(f, "wait until every node has applied it or is fenced")
	f.StringVar(&p.key, "idempotency-key", "", "makes a repeated command one purge (default: a new one each time)")
	cmd.AddCommand(newPurgeList(&access), newPurgeGet(&access), newPurgeWait(&access))
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
	if p.request.DryRun {
		p.request.Wait = asked(p.timeout).String()
	}
	done, err := c.CreatePurge(ctx, p.request, p.key)
	if err != nil {
		return p.unanswered(ctx, err)
	}
	switch {
	case progress:
		f := follower{client: c, view: newPurgeView(out), key: p.key}
		done, err = f.follow(ctx, done)
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
func (p *purgeFlags) unanswered(ctx context.Context, err error) error {
	switch {
	case p.request.DryRun:
		return err
	case interrupted(ctx) != nil:
		err = interrupted(ctx)
	case !errors.Is(err, client.ErrUnreachable):
		return err
	}
	return fmt.Errorf("%w\nit may have been purged: to be sure repeat the command, with --idempotency-key %s it is the same purge", err, p.key)
}
