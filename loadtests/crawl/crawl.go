// Package crawl fetches every file of a tree through an edge and compares it with the file on disk,
// byte for byte, counting what Cache-Status says. It is how the project shows that real content comes
// out of the cache as it went in.
// Start reading at Run.
package crawl

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tiercache/origin/api"
)

// Config says what to fetch from where.
type Config struct {
	// Base is the edge's URL.
	Base string
	// Host is sent as Host.
	Host string
	// Dir is the tree that was imported below Prefix.
	Dir, Prefix string
	// Connections is how many requests are in flight. Zero is 32.
	Connections int
}

// maxProblems bounds what a report keeps of what went wrong.
const maxProblems = 10

// Report is what a crawl found.
type Report struct {
	Files    int
	Bytes    int64
	Wrong    int            // responses that were not the file
	Problems []string       // the first of them
	Outcomes map[string]int // by Cache-Status, each member without its parameters' values
	Took     time.Duration
}

// String is the report for a person.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d files, %d bytes in %s, %d wrong\n", r.Files, r.Bytes, r.Took.Round(time.Millisecond), r.Wrong)
	for _, outcome := range slices.Sorted(maps.Keys(r.Outcomes)) {
		fmt.Fprintf(&b, "  %6d  %s\n", r.Outcomes[outcome], outcome)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  wrong: %s\n", p)
	}
	return b.String()
}

// crawler is one run.
type crawler struct {
	cfg    Config
	client *http.Client

	mu struct {
		sync.Mutex
		report Report
	}
}

// Run fetches all regular files below cfg.Dir once. Files that differ are in the report, not in the
// error, which says that the tree or the edge could not be read at all.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if cfg.Connections == 0 {
		cfg.Connections = 32
	}
	c := &crawler{cfg: cfg, client: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DisableCompression: true, MaxIdleConnsPerHost: cfg.Connections,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		},
	}}
	defer c.client.CloseIdleConnections()
	c.mu.report.Outcomes = map[string]int{}
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cfg.Connections)
	err := filepath.WalkDir(cfg.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		group.Go(func() error { return c.file(ctx, path) })
		return ctx.Err()
	})
	if waitErr := group.Wait(); waitErr != nil {
		err = waitErr
	}
	c.mu.report.Took = time.Since(start)
	return c.mu.report, err
}

// file fetches one file. Only a context that ended is an error.
func (c *crawler) file(ctx context.Context, path string) error {
	relative, err := filepath.Rel(c.cfg.Dir, path)
	if err != nil {
		return fmt.Errorf("crawl %s: %w", path, err)
	}
	escaped := api.EscapePath(filepath.ToSlash(relative))
	target := c.cfg.Base + strings.TrimSuffix(c.cfg.Prefix, "/") + "/" + escaped
	n, status, err := c.compare(ctx, target, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.mu.report
	r.Files++
	r.Bytes += n
	r.Outcomes[status]++
	if err != nil {
		r.Wrong++
		if len(r.Problems) < maxProblems {
			r.Problems = append(r.Problems, fmt.Sprintf("%s: %v", target, err))
		}
	}
	return ctx.Err()
}
