package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"tiercache/control/backup"
	"tiercache/control/client"
	"tiercache/shared/token"
)

// restoring is `control restore`.
type restoring struct {
	repository repositoryFlag
	to         string
	control    string
	output     string
	o          backup.RestoreOptions
}

func newRestoreCommand() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Make a database from a backup, as it was at a time, at an epoch, or at the end of the log",
		Long: "Make a data directory of PostgreSQL from a base backup and the log behind it, and check it: each file against the\n" +
			"manifest, the log for gaps, and then, on a server that nobody else can reach, the control log with its hashes, the\n" +
			"outbox, and each object with its digest. The directory appears under its name when all of that is done. Nothing is\n" +
			"restored over a database, and the repository stays as it is.\n\n" +
			"Start a server on it, and the fleet begins a new term by itself: what nodes have stored of commits that are lost\n" +
			"is not served any more. For the platform that up runs, restore to DATA-FOLDER/postgres/data, also while up runs:\n" +
			"it waits for its database to come back.\n\n" +
			"While control still runs it is asked which epochs nodes have, so that you see what is lost.",
		Example: "  tiercache control restore --repository /srv/backup --to latest --data-dir data/postgres/data\n" +
			"  tiercache control restore --repository /srv/backup --to 2026-11-30T17:38:00Z --data-dir /var/lib/postgresql/15/restored\n" +
			"  tiercache control restore --repository /srv/backup --to-epoch 1795539324136789 --data-dir restored",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.repository.bind(cmd.Flags())
	fs := cmd.Flags()
	fs.StringVar(&r.to, "to", "", "latest, or a time with its zone: all that was committed by then")
	fs.Uint64Var(&r.o.Target.Epoch, "to-epoch", 0, "the control log ends with this epoch")
	fs.StringVar(&r.o.DataDir, "data-dir", "", "data directory to make, for PostgreSQL")
	fs.StringVar(&r.o.Backup, "backup", "", "base backup to begin with (default: the newest that is early enough)")
	fs.Uint32Var(&r.o.Timeline, "timeline", 0, "timeline to follow (default: the newest that leads back to the backup)")
	fs.BoolVar(&r.o.Quick, "quick", false, "do not compare each body with its digest")
	fs.StringVar(&r.control, "control", client.DefaultURL, "URL of the control API, asked for what nodes know; empty: do not ask")
	fs.StringVarP(&r.output, "output", "o", "table", "table or json")
	return cmd
}

func (r *restoring) run(cmd *cobra.Command) error {
	if (r.to == "") == (r.o.Target.Epoch == 0) {
		return usage(errors.New("say where to: --to latest, --to TIME or --to-epoch N"))
	}
	if err := checkOutput(r.output); err != nil {
		return err
	}
	if r.o.DataDir == "" {
		return usage(errors.New("name the data directory to make with --data-dir"))
	}
	if r.to != "" {
		target, err := backup.ParseTarget(r.to)
		if err != nil {
			return usage(fmt.Errorf("--to %w", err))
		}
		r.o.Target = target
	}
	repository, err := r.repository.open()
	if err != nil {
		return err
	}
	if r.o.Program, err = os.Executable(); err != nil {
		return err
	}
	r.o.Say = saying(cmd.ErrOrStderr())
	known := r.known(cmd.Context())
	restored, err := repository.Restore(cmd.Context(), r.o)
	if err != nil {
		return err
	}
	if r.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(restored)
	}
	list, err := repository.List()
	if err != nil {
		return err
	}
	r.report(cmd.OutOrStdout(), restored, list, known)
	return nil
}

// knowing is what control says of the fleet.
type knowing struct {
	node  string
	epoch uint64 // the highest that a node has applied
	err   error
}

// known asks control, which may be down, or without its database.
func (r *restoring) known(ctx context.Context) (k knowing) {
	if r.control == "" {
		return knowing{err: errors.New("it was not asked")}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	secret, err := token.Find("", token.DataDir())
	if err != nil {
		return knowing{err: err}
	}
	c, err := client.New(client.Config{URL: r.control, Token: secret})
	if err != nil {
		return knowing{err: err}
	}
	fleet, err := c.Fleet(ctx)
	if err != nil {
		return knowing{err: err}
	}
	k.err = errors.New("it knows of none")
	for _, n := range fleet.Nodes {
		if n.Applied > k.epoch {
			k = knowing{node: n.Node, epoch: n.Applied}
		}
	}
	return k
}

func (r *restoring) report(w io.Writer, b *backup.Restored, list []*backup.Entry, known knowing) {
	f := &b.Database
	fmt.Fprintf(w, "restored to %s in %v: copied in %v, manifest checked in %v, log replayed in %v, content checked in %v\n", b.DataDir,
		rounded(b.Copied+b.Verified+b.Replayed+b.Checked), rounded(b.Copied), rounded(b.Verified), rounded(b.Replayed), rounded(b.Checked))
	fmt.Fprintf(w, "backup       %s, and %d segments of the log; the server goes on on timeline %d\n", b.From.ID, b.Reach.Segments, b.Timeline)
	if !b.LastCommit.IsZero() {
		fmt.Fprintf(w, "last commit  %s\n", b.LastCommit.Format("2006-01-02 15:04:05.000 UTC"))
	}
	if f.Schema == 0 {
		fmt.Fprintf(w, "control log  there is none: this is no database of a fleet\n")
	} else {
		fmt.Fprintf(w, "control log  ends with epoch %d of %s; %d entries, %d hashes made again, schema %d\n", f.Head, f.HeadTime.Format("2006-01-02 15:04:05.000 UTC"), f.Entries, f.Chained, f.Schema)
		fmt.Fprintf(w, "outbox       %d writes that get an epoch when control starts\n", f.Waiting)
	}
	read := "each compared with its digest"
	if !f.Read {
		read = "not compared with their digests"
	}
	fmt.Fprintf(w, "objects      %d, with %d bodies of %s, %s\n", f.Objects, f.Bodies, humanize.IBytes(uint64(f.Bytes)), read)
	reportLost(w, f.Head, list, known)
	fmt.Fprintf(w, "\nStart PostgreSQL on it; up does so by itself where this is its database. The fleet then begins a new term, and purges\n"+
		"what it has stored. Make a base backup next: tiercache control backup --repository %s\n", b.Repository)
}

// reportLost says which epochs somebody knows of that the restored log has not.
func reportLost(w io.Writer, head uint64, list []*backup.Entry, known knowing) {
	for _, e := range list {
		if e.Head > max(head, known.epoch) {
			known = knowing{node: "backup " + e.ID, epoch: e.Head}
		}
	}
	switch {
	case known.epoch > head:
		fmt.Fprintf(w, "lost         epochs %d to %d, which %s has applied or holds: %d at most\n", head+1, known.epoch, printable(known.node), known.epoch-head)
	case known.err != nil:
		fmt.Fprintf(w, "lost         not known: no node's epoch could be learnt from control (%v)\n", known.err)
	default:
		fmt.Fprintf(w, "lost         no epoch that a node or a backup knows of\n")
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
