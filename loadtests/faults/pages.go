package faults

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/loadtests/history"
)

// site is the host of the foreign upstream, which this process plays.
const site = "site-1"

// What the pages say of freshness.
const (
	fastLifetime = 2 * time.Second
	fastStale    = time.Second     // stale-while-revalidate
	fastOnError  = 2 * time.Second // stale-if-error
)

// pages are what clients read. Of a jar are the objects whose writers and readers share one.
func pages() []*history.Page {
	list := []*history.Page{
		page("own", "/a", "odd"), page("own", "/b", "even"), page("own", "/d/c", "odd"), page("strict", "/a", "odd"), page("strict", "/b", "even"),
		page("site", "/a", "odd"), page("site", "/b", "even"), page("site", "/d/c", "odd", "rare"), page("site", "/d/d", "even", "rare"),
		page("fast", "/a", "odd"),
	}
	for _, p := range list {
		p.Own = p.Service == "own" || p.Service == "strict"
		if p.Service == "fast" {
			p.Fresh, p.OnError = fastLifetime+fastStale, fastOnError
		}
	}
	return list
}

func page(service, path string, tags ...string) *history.Page {
	host := service + ".example"
	return &history.Page{Service: service, Host: host, Path: path, Name: host + path, Tags: tags}
}

// jarOf is the jar that the writer of a page and some readers share.
func jarOf(p *history.Page) string {
	if strings.HasSuffix(p.Path, "a") {
		return "jar-1"
	}
	return "jar-2"
}

func cacheControl(p *history.Page) string {
	if p.Fresh > 0 {
		return fmt.Sprintf("max-age=%d, stale-while-revalidate=%d, stale-if-error=%d", int(fastLifetime.Seconds()), int(fastStale.Seconds()), int(fastOnError.Seconds()))
	}
	return "max-age=600, stale-while-revalidate=2, stale-if-error=600"
}

// bodyOf is a page's content, versionIn reads it back: 0 for what is none of the page's.
func bodyOf(page string, version int) string { return fmt.Sprintf("%s=%d\n", page, version) }

func versionIn(page, content string) int {
	number, ok := strings.CutPrefix(strings.TrimSpace(content), page+"=")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0
	}
	return n
}

// upstream is the foreign site: it has one version of each page, and no cache.
type upstream struct {
	record *recorder
	pages  map[string]*history.Page
	draw   *chance
	server *http.Server

	failing atomic.Bool // it answers 503

	mu       sync.Mutex
	versions map[string]int
}

// newUpstream starts it.
func newUpstream(seed uint64, record *recorder) (*upstream, error) {
	u := &upstream{record: record, pages: map[string]*history.Page{}, versions: map[string]int{}, draw: newChance(seed, "site")}
	for _, p := range pages() {
		if !p.Own {
			u.pages[p.Name] = p
			u.change(p)
		}
	}
	listener, err := net.Listen("tcp", address(site))
	if err != nil {
		return nil, err
	}
	u.server = &http.Server{Handler: u, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = u.server.Serve(listener) }() // until it is closed
	return u, nil
}

// change makes a new version of a page.
func (u *upstream) change(p *history.Page) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.versions[p.Name]++
	u.record.add(&line{Op: opSite, Page: p.Name, Version: u.versions[p.Name], Start: u.record.now()})
	return u.versions[p.Name]
}

// present are the versions of all pages that a purge covers.
func (u *upstream) present(covers func(*history.Page) bool) map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	floors := map[string]int{}
	for name, p := range u.pages {
		if covers(p) {
			floors[name] = u.versions[name]
		}
	}
	return floors
}

// ServeHTTP answers with what the page was when the request came, and often holds the answer for a while: a fill that is
// overtaken.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Host + r.URL.Path
	u.mu.Lock()
	p, version := u.pages[name], u.versions[name]
	u.mu.Unlock()
	if p == nil {
		http.NotFound(w, r)
		return
	}
	if u.draw.in(20) {
		_ = rest(r.Context(), u.draw.between(0, 700*time.Millisecond)) // ends early with the client
	}
	// Nobody believes a stranger that it knows the log, of which this would be the future.
	w.Header().Set("Tiercache-Epoch", strconv.Itoa(1<<60))
	w.Header().Set("Tiercache-Lease", "live")
	if u.failing.Load() {
		http.Error(w, "the site fails", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", cacheControl(p))
	w.Header().Set("Surrogate-Key", strings.Join(p.Tags, " "))
	tag := fmt.Sprintf(`"%d"`, version)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(bodyOf(name, version))) // or the client is gone
}
