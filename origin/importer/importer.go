package importer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"tiercache/origin/api"
	"tiercache/origin/client"
	"tiercache/shared/invalidation"
)

// Options of an import.
type Options struct {
	Dir          string   // the tree
	Host         string   // that gets the objects
	Prefix       string   // of their paths, percent-encoded; empty or starting with a slash
	CacheControl string   // of all objects
	Tags         []string // templates, see CheckTemplate
	Index        string   // a file of this name is stored for its folder too, at DIR/; empty: none
	Jobs         int      // files at a time

	// Progress, when set, is called after each file, one call at a time.
	Progress func(Report)
}

// maxFailures bounds the failures that a Report tells of one by one.
const maxFailures = 1000

// Report is what an import has done so far. A file that is stored at two paths counts twice.
type Report struct {
	Total     int   // objects to store, known from the start
	Stored    int   // sent
	Unchanged int   // there already, with the same bytes and fields
	Bytes     int64 // of the objects sent
	Links     int   // symbolic links that lead out of the tree, to a folder or nowhere; not followed
	Special   int   // neither file nor folder; skipped

	Failed   int
	Failures []Failure // the first of them
}

// Done is how many objects have been dealt with.
func (r Report) Done() int { return r.Stored + r.Unchanged + r.Failed }

// Failure is a file that could not be read or stored.
type Failure struct {
	File string
	Err  error
}

// importer is one run.
type importer struct {
	opts   Options
	client *client.Client
	root   *os.Root
	there  map[string]stored // by path; complete before the workers start, then only read
	mu     struct {
		sync.Mutex
		report Report
	}
}

// Run imports the tree. A file that cannot be read or is refused is a Failure and the rest goes on; an
// origin that is away for long, or that refuses the token, ends the import with an error; the report is empty when
// that was before the first file. To resume, run it again.
func Run(ctx context.Context, c *client.Client, opts Options) (Report, error) {
	for _, t := range opts.Tags {
		if err := CheckTemplate(t); err != nil {
			return Report{}, err
		}
	}
	opts.Prefix = strings.TrimSuffix(opts.Prefix, "/")
	root, err := os.OpenRoot(opts.Dir)
	if err != nil {
		return Report{}, fmt.Errorf("%w: name the folder whose files are to be stored", err)
	}
	defer func() { _ = root.Close() }() // read only
	im := &importer{opts: opts, client: c, root: root}
	items, err := im.walk(ctx)
	if err != nil {
		return Report{}, err
	}
	im.mu.report.Total = len(items) + im.mu.report.Failed
	if im.there, err = list(ctx, c, opts); err != nil {
		return Report{}, fmt.Errorf("list what is there: %w", err)
	}
	err = im.store(ctx, items)
	return im.mu.report, err
}

// store runs the workers.
func (im *importer) store(ctx context.Context, items []item) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan item) // closed by the feeder, at the end or when ctx ends
	g.Go(func() error {
		defer close(queue)
		for _, it := range items {
			select {
			case queue <- it:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range max(1, im.opts.Jobs) {
		g.Go(func() error {
			for it := range queue {
				if err := im.handle(ctx, it); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// handle stores one item; it returns an error only if the import cannot go on.
func (im *importer) handle(ctx context.Context, it item) error {
	sent, size, err := im.put(ctx, it)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && isFatal(err):
		return fmt.Errorf("%s: %w", it.file, err)
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	r := &im.mu.report
	switch {
	case err != nil:
		r.fail(it.file, err)
	case sent:
		r.Stored++
		r.Bytes += size
	default:
		r.Unchanged++
	}
	if im.opts.Progress != nil {
		im.opts.Progress(*r)
	}
	return nil
}

func (r *Report) fail(file string, err error) {
	r.Failed++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{File: file, Err: err})
	}
}

// isFatal reports whether every other file would meet the same error: all but a local one and an answer
// about the one object.
func isFatal(err error) bool {
	var answer *client.Error
	if errors.As(err, &answer) {
		return answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden ||
			answer.Status == http.StatusInsufficientStorage || answer.Status == http.StatusServiceUnavailable
	}
	return !errors.Is(err, errLocal) && !errors.Is(err, invalidation.ErrTag)
}

// list is what the origin has below the prefix.
func list(ctx context.Context, c *client.Client, opts Options) (map[string]stored, error) {
	there := make(map[string]stored)
	for o, err := range c.List(ctx, opts.Host, opts.Prefix) {
		if err != nil {
			return nil, err
		}
		there[o.Path] = storedOf(o)
	}
	return there, nil
}

// stored is what decides whether an object must be sent again.
type stored struct{ digest, contentType, cacheControl, tags string }

func storedOf(o api.Object) stored {
	return stored{
		digest:       o.SHA256,
		contentType:  o.Fields["Content-Type"],
		cacheControl: o.Fields["Cache-Control"],
		tags:         o.Fields["Surrogate-Key"],
	}
}
