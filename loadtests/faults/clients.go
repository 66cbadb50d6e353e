package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/loadtests/history"
)

// How many clients there are, and how often they do something.
const (
	plainReaders = 4 // without tokens
	jarReaders   = 2 // with a jar of their own
	readersOfJar = 3 // of each shared jar
	purgers      = 2
	readPause    = 120 * time.Millisecond // at most
	writePause   = 700 * time.Millisecond // at most
	// patience is how long a reader waits for an answer; one of ten waits longer.
	patience     = 4 * time.Second
	longPatience = 12 * time.Second
)

// jar keeps the highest epoch that those who share it were given.
type jar struct {
	name  string
	token atomic.Uint64
}

func (j *jar) keep(epoch uint64) {
	for {
		token := j.token.Load()
		if epoch <= token || j.token.CompareAndSwap(token, epoch) {
			return
		}
	}
}

// crowd is all clients.
type crowd struct {
	fleet  *fleet
	record *recorder
	seed   uint64
	site   *upstream
	pages  []*history.Page
	jars   map[string]*jar
	http   *http.Client
	all    sync.WaitGroup
}

func newCrowd(f *fleet, r *recorder, seed uint64, u *upstream) *crowd {
	return &crowd{
		fleet: f, record: r, seed: seed, site: u, pages: pages(),
		jars: map[string]*jar{"jar-1": {name: "jar-1"}, "jar-2": {name: "jar-2"}},
		http: &http.Client{
			Timeout:   longPatience,
			Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true, IdleConnTimeout: 5 * time.Second},
		},
	}
}

// begin writes the first version of every object.
func (c *crowd) begin(ctx context.Context) error {
	for _, p := range c.pages {
		if !p.Own {
			continue
		}
		if err := c.newAuthor(p).first(ctx); err != nil {
			return fmt.Errorf("first write of %s: %w", p.Name, err)
		}
	}
	return nil
}

// work lets all clients work until ctx ends.
func (c *crowd) work(ctx context.Context) {
	for _, p := range c.pages {
		if p.Own {
			c.all.Go(func() { c.newAuthor(p).work(ctx) })
		}
	}
	for i := range plainReaders {
		c.reader(ctx, fmt.Sprintf("reader-%d", i+1), nil, c.pages)
	}
	for i := range jarReaders {
		name := fmt.Sprintf("traveller-%d", i+1)
		c.reader(ctx, name, &jar{name: name}, c.pages)
	}
	for _, j := range c.jars {
		var shared []*history.Page
		for _, p := range c.pages {
			if p.Own && jarOf(p) == j.name {
				shared = append(shared, p)
			}
		}
		for i := range readersOfJar {
			c.reader(ctx, fmt.Sprintf("%s-reader-%d", j.name, i+1), j, shared)
		}
	}
	for i := range purgers {
		c.all.Go(func() { c.newPurger(fmt.Sprintf("purger-%d", i+1)).work(ctx) })
	}
	c.all.Go(func() { c.newPurger("transactor").transact(ctx) })
	c.all.Go(func() { c.change(ctx) })
}

// reader starts a client that reads pages, each at another edge.
func (c *crowd) reader(ctx context.Context, name string, j *jar, list []*history.Page) {
	draw := newChance(c.seed, name)
	c.all.Go(func() {
		for rest(ctx, draw.between(0, readPause)) == nil {
			node := pick(draw, edges())
			if draw.in(8) {
				node = pick(draw, nodes()) // who asks a regional node itself is promised the same
			}
			wait := patience
			if draw.in(10) {
				wait = longPatience
			}
			c.read(ctx, name, node, pick(draw, list), j, wait)
		}
	})
}

// read reads a page and records what came.
func (c *crowd) read(ctx context.Context, name, node string, p *history.Page, j *jar, wait time.Duration) *line {
	l := &line{Op: opRead, Client: name, Node: node, Page: p.Name, Alone: c.fleet.parts[node].started() > 1}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(node)+p.Path, nil)
	if err != nil {
		panic("faults: a request that cannot be made: " + err.Error())
	}
	request.Host = p.Host
	l.Start = c.record.now() // before the token is read: what others put into the jar after that may not be in it
	if j != nil {
		if l.Jar, l.Token = j.name, j.token.Load(); l.Token > 0 {
			request.Header.Set("Tiercache-Min-Epoch", strconv.FormatUint(l.Token, 10))
		}
	}
	content, err := c.send(request, l)
	if err == nil && l.Status == http.StatusOK && j != nil {
		j.keep(l.Stamp)
	}
	l.End = c.record.now() // behind that: who shares the jar may not know of it before
	if err != nil {
		if ctx.Err() == context.Canceled {
			return l // the run is over
		}
		l.Status, l.Error = 0, err.Error()
	} else if l.Status == http.StatusOK {
		l.Version = versionIn(p.Name, content)
	}
	c.record.add(l)
	return l
}

// send sends a request and takes what the reply says into the line.
func (c *crowd) send(request *http.Request, l *line) (content string, err error) {
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or broken
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	l.Status = response.StatusCode
	l.Stamp, _ = strconv.ParseUint(response.Header.Get("Tiercache-Epoch"), 10, 64) // 0 for none
	if status := response.Header.Values("Cache-Status"); len(status) > 0 {
		l.Cache = status[len(status)-1]
	}
	return string(body), nil
}

// change makes new versions of the pages that purge nothing.
func (c *crowd) change(ctx context.Context) {
	draw := newChance(c.seed, "changer")
	for rest(ctx, draw.between(0, 3*time.Second)) == nil {
		for _, p := range c.pages {
			if p.Fresh > 0 {
				c.site.change(p)
			}
		}
	}
}
