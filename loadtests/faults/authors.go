package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tiercache/loadtests/history"
	"tiercache/origin/api"
)

// author writes versions of one object, one after the other. Each is written only if the one before is still there, so that
// a write that was given up does not come true behind a later one.
type author struct {
	crowd *crowd
	page  *history.Page
	name  string
	draw  *chance
	jar   *jar

	version int    // the highest that was tried
	base    string // entity tag of what is there; empty: it is not known
}

func (c *crowd) newAuthor(p *history.Page) *author {
	name := "author of " + p.Name
	return &author{crowd: c, page: p, name: name, draw: newChance(c.seed, name), jar: c.jars[jarOf(p)]}
}

// first writes version 1, of an object that is not there.
func (a *author) first(ctx context.Context) error {
	l := a.put(ctx, 1, "", 0)
	if l.Status != http.StatusCreated {
		return fmt.Errorf("the origin answers %d %s", l.Status, l.Error)
	}
	return nil
}

// work writes until ctx ends.
func (a *author) work(ctx context.Context) {
	a.version = 1
	for rest(ctx, a.draw.between(writePause/4, writePause)) == nil {
		if a.base == "" && !a.look(ctx, nil) {
			continue
		}
		wait := time.Duration(0)
		if a.draw.in(40) {
			wait = 4 * time.Second
		}
		a.version++
		l := a.put(ctx, a.version, a.base, wait)
		if ctx.Err() != nil {
			return
		}
		switch {
		case !l.Unknown && l.Status < 300:
		case l.Status == http.StatusPreconditionFailed:
			a.base = ""
		default:
			for !a.look(ctx, l) && rest(ctx, 100*time.Millisecond) == nil {
			}
		}
	}
}

// put writes a version where that entity tag is there, or nothing if it is empty, and records it.
func (a *author) put(ctx context.Context, version int, base string, wait time.Duration) *line {
	c := a.crowd
	l := &line{Op: opWrite, Client: a.name, Node: origin, Page: a.page.Name, Version: version}
	url := "http://" + address(origin) + api.Prefix + a.page.Host + a.page.Path
	if wait > 0 {
		url += "?wait=" + wait.String()
	}
	body := []byte(bodyOf(a.page.Name, version))
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		panic("faults: a request that cannot be made: " + err.Error())
	}
	request.Header.Set("Authorization", "Bearer "+c.fleet.token)
	request.Header.Set("Content-Type", "text/plain")
	request.Header.Set("Cache-Control", cacheControl(a.page))
	request.Header.Set("Surrogate-Key", strings.Join(a.page.Tags, " "))
	if base == "" {
		request.Header.Set("If-None-Match", "*")
	} else {
		request.Header.Set("If-Match", base)
	}
	l.Start = c.record.now()
	a.base = ""
	if err := a.send(request, l); err != nil {
		l.Status, l.Error = 0, err.Error()
	}
	if l.Status < 300 && l.Epoch > 0 {
		a.jar.keep(l.Epoch)
	}
	l.End = c.record.now() // behind that: who shares the jar may not know of it before
	// Whether what was not answered is there, look finds out, and which epoch has what was committed without being told one.
	l.Unknown = l.Status == 0 || l.Status >= 500 || l.Status < 300 && l.Epoch == 0
	c.record.add(l)
	return l
}

// send sends a write and takes what the reply says.
func (a *author) send(request *http.Request, l *line) error {
	response, err := a.crowd.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or broken
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	l.Status = response.StatusCode
	if l.Status >= 300 {
		l.Error = strings.TrimSpace(string(text))
		return nil
	}
	var written api.Written
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	a.base = written.ETag
	if written.Epoch != nil {
		l.Epoch = *written.Epoch
	}
	if written.Receipt != nil && written.Receipt.State == "complete" {
		l.Completed, l.Receipts = a.crowd.record.now(), map[string]string{}
		for _, n := range written.Receipt.Nodes {
			l.Receipts[n.Node] = n.State
		}
	}
	return nil
}

// look asks the origin what is there, and says whether it has answered. If that is what was written and not answered, it is
// written: then it is in the history once more.
func (a *author) look(ctx context.Context, unknown *line) bool {
	c := a.crowd
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(origin)+a.page.Path, nil)
	if err != nil {
		panic("faults: a request that cannot be made: " + err.Error())
	}
	request.Host = a.page.Host
	response, err := c.http.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or broken
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		return false
	}
	a.base = response.Header.Get("ETag")
	if unknown != nil && versionIn(a.page.Name, string(text)) == unknown.Version {
		found := *unknown
		found.Epoch, _ = strconv.ParseUint(response.Header.Get("Tiercache-Epoch"), 10, 64) // at most
		a.jar.keep(found.Epoch)
		found.Unknown, found.Status, found.End = false, http.StatusOK, c.record.now()
		c.record.add(&found)
	}
	return true
}
