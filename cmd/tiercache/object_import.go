package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tiercache/origin/api"
	"tiercache/origin/importer"
)

const (
	// progressInterval is the least time between two lines of progress where there is no terminal.
	progressInterval = 5 * time.Second

	maxJobs = 64
)

func newObjectImport(access *originAccess) *cobra.Command {
	opts := importer.Options{}
	cmd := &cobra.Command{
		Use:   "import DIR --host HOST",
		Short: "Store a tree of files; run it again to resume or to bring changes over",
		Long: "Store a tree of files as objects of a host. Files that are there already with the same bytes and\n" +
			"fields are not sent, so an import that was interrupted goes on where it stopped. Symbolic links\n" +
			"out of the tree or to folders are not followed. Nothing is deleted at the origin.\n\n" +
			"A tag is a template: {path} is the file's path in the tree, {dir} its folder, {name} its last part,\n" +
			"{ext} what follows the last dot. What comes of it is one tag, white space and all: `tiercache purge --tag` finds it by\n" +
			"the same words.",
		Example: "  tiercache object import ./public --host www.example.com --tag 'dir:{dir}'\n" +
			"  tiercache object import ./docs --host www.example.com --prefix /docs --jobs 16",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Dir = args[0]
			opts.Prefix = api.RepairPath(opts.Prefix)
			return runImport(cmd, access, opts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.Host, "host", "", "host that gets the objects; * for any (required)")
	f.StringVar(&opts.Prefix, "prefix", "", "start of every object's path, such as /docs")
	f.StringVar(&opts.CacheControl, "cache-control", "public, max-age=3600", "Cache-Control of every object")
	f.StringArrayVar(&opts.Tags, "tag", nil, "tag template, such as tree:{dir}; may be repeated")
	f.StringVar(&opts.Index, "index", "index.html", "file that is stored for its folder too, at DIR/; empty: none")
	f.IntVar(&opts.Jobs, "jobs", 8, "files at a time")
	return cmd
}

func runImport(cmd *cobra.Command, access *originAccess, opts importer.Options) error {
	if opts.Host == "" {
		return usage(errors.New("--host is missing: name the host that gets the objects, or * for any"))
	}
	if opts.Jobs < 1 || opts.Jobs > maxJobs {
		return usage(fmt.Errorf("--jobs %d is not between 1 and %d", opts.Jobs, maxJobs))
	}
	if opts.Prefix != "" && opts.Prefix[0] != '/' {
		return usage(fmt.Errorf("--prefix %s does not start with a slash", opts.Prefix))
	}
	for _, t := range opts.Tags {
		if err := importer.CheckTemplate(t); err != nil {
			return usage(fmt.Errorf("--tag: %w", err))
		}
	}
	c, err := access.client(opts.Jobs)
	if err != nil {
		return err
	}
	defer c.Close()
	opts.Progress = progressOn(cmd.ErrOrStderr())
	report, err := importer.Run(cmd.Context(), c, opts)
	if err != nil && report.Done() == 0 {
		return err // nothing has begun: a summary would say no more
	}
	return errors.Join(err, summarise(cmd.OutOrStdout(), cmd.ErrOrStderr(), report))
}

// progressOn returns a function that shows progress: a bar on a terminal, else a line now and then.
func progressOn(w io.Writer) func(importer.Report) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return progressBar(w)
	}
	last := time.Now()
	return func(r importer.Report) {
		if now := time.Now(); now.Sub(last) >= progressInterval {
			last = now
			_, _ = fmt.Fprintf(w, "%d of %d objects\n", r.Done(), r.Total) // the import goes on without an audience
		}
	}
}

func progressBar(w io.Writer) func(importer.Report) {
	var bar *progressbar.ProgressBar
	return func(r importer.Report) {
		if bar == nil {
			bar = progressbar.NewOptions(r.Total, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
				progressbar.OptionSetWidth(40), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set(r.Done()) // the import goes on without an audience
	}
}

// summarise prints what happened; failures make it an error.
func summarise(out, errOut io.Writer, r importer.Report) error {
	for _, f := range r.Failures {
		if _, err := fmt.Fprintf(errOut, "%s: %v\n", f.File, f.Err); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d stored (%s), %d unchanged, %d failed, %d of %d; links not followed: %d, special files skipped: %d\n",
		r.Stored, humanize.IBytes(uint64(r.Bytes)), r.Unchanged, r.Failed, r.Done(), r.Total, r.Links, r.Special)
	if err != nil {
		return err
	}
	if r.Failed > 0 {
		return fmt.Errorf("%d files could not be stored", r.Failed)
	}
	return nil
}
