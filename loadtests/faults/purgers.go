package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/control/client"
	"tiercache/loadtests/history"
	"tiercache/shared/controllog"
)

// purger changes pages of the site and purges what shows them.
type purger struct {
	crowd *crowd
	name  string
	draw  *chance
	pages []*history.Page // of the site
	n     int
}

func (c *crowd) newPurger(name string) *purger {
	p := &purger{crowd: c, name: name, draw: newChance(c.seed, name)}
	for _, page := range c.pages {
		if !page.Own && page.Fresh == 0 {
			p.pages = append(p.pages, page)
		}
	}
	return p
}

// drawPurge is some purge that covers a page, as control is asked for it.
func (p *purger) drawPurge(page *history.Page) (r client.PurgeRequest) {
	if p.draw.in(40) {
		r.Mode = "soft"
	}
	url := "http://" + page.Host + page.Path
	switch k := p.draw.below(100); {
	case k < 40:
		r.URLs = []string{url}
	case k < 60:
		r.Tags, r.Service = []string{pick(p.draw, page.Tags)}, page.Service
	case k < 75:
		r.Tags = []string{pick(p.draw, page.Tags)}
	case k < 85:
		r.Prefixes = []string{url[:strings.LastIndexByte(url, '/')+1]}
	case k < 91:
		r.Hosts = []string{page.Host}
	case k < 97:
		r.Services = []string{page.Service}
	default:
		r.All = true
	}
	return r
}

// named is a purge in the form that the log has.
func named(r *client.PurgeRequest) *controllog.Purge {
	split := func(list []string) (urls []controllog.URL) {
		for _, u := range list {
			host, path, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
			urls = append(urls, controllog.URL{Host: host, Path: "/" + path})
		}
		return urls
	}
	return &controllog.Purge{
		Mode: r.Mode, Service: r.Service, Tags: r.Tags, URLs: split(r.URLs), Prefixes: split(r.Prefixes), Hosts: r.Hosts, Services: r.Services, All: r.All,
	}
}

// begin makes new versions of some pages that a purge covers, and is its line.
func (p *purger) begin(purge *controllog.Purge) *line {
	for _, page := range p.pages {
		if page.Covers(purge, "") && p.draw.in(70) {
			p.crowd.site.change(page)
		}
	}
	l := &line{Op: opPurge, Client: p.name, Purge: purge, Start: p.crowd.record.now()}
	l.Floors = p.crowd.site.present(func(page *history.Page) bool { return page.Fresh == 0 && page.Covers(purge, "") })
	return l
}

// work purges through control until ctx ends. A purge that was not answered is asked for again, under the same key and
// perhaps of another control node, until it is.
func (p *purger) work(ctx context.Context) {
	for rest(ctx, p.draw.between(100*time.Millisecond, 1500*time.Millisecond)) == nil {
		r := p.drawPurge(pick(p.draw, p.pages))
		if p.draw.in(60) {
			r.Wait = "4s"
		}
		l := p.begin(named(&r))
		p.n++
		key := fmt.Sprintf("%s-%d", p.name, p.n)
		for !p.ask(ctx, r, key, l) && rest(ctx, 200*time.Millisecond) == nil {
		}
	}
}

// ask asks a control node, and reports whether it has answered.
func (p *purger) ask(ctx context.Context, r client.PurgeRequest, key string, l *line) bool {
	c := p.crowd
	l.Node = pick(p.draw, []string{"control-1", "control-2"})
	control, err := client.New(client.Config{URL: "http://" + address(l.Node), Token: c.fleet.token})
	if err != nil {
		panic("faults: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	try := *l
	try.Start = c.record.now()
	purge, err := control.CreatePurge(ctx, r, key)
	try.End = c.record.now()
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return true // the run is over
		}
		try.Unknown, try.Error = true, err.Error()
		var problem *client.Problem
		if errors.As(err, &problem) {
			try.Status = problem.Status
		}
		c.record.add(&try)
		return false
	}
	try.Start, try.ID, try.Epoch, try.Status = l.Start, purge.ID, purge.Epoch, http.StatusOK
	if purge.State == client.StateComplete {
		try.Completed, try.Receipts = try.End, map[string]string{}
		for _, n := range purge.Nodes {
			try.Receipts[n.Node] = n.State
		}
	}
	c.record.add(&try)
	return true
}

// transact purges in SQL, in transactions of which some are rolled back, until ctx ends.
func (p *purger) transact(ctx context.Context) {
	for rest(ctx, p.draw.between(100*time.Millisecond, 1200*time.Millisecond)) == nil {
		page := pick(p.draw, p.pages)
		purge := &controllog.Purge{Tags: []string{pick(p.draw, page.Tags)}}
		if p.draw.in(50) {
			purge = &controllog.Purge{URLs: []controllog.URL{{Host: page.Host, Path: page.Path}}}
		}
		l := p.begin(purge)
		l.RolledBack, l.Node = p.draw.in(25), postgresAddr
		err := p.transaction(ctx, l)
		l.End = p.crowd.record.now()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			l.Unknown, l.Error = true, err.Error()
		} else {
			l.Status = http.StatusOK
		}
		p.crowd.record.add(l)
	}
}

// transaction is one, of some length.
func (p *purger) transaction(ctx context.Context, l *line) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL(via(postgresAddr)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // it is committed by now, or not
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	statement, argument := `SELECT tiercache.invalidate($1)`, any(l.Purge.Tags)
	if len(l.Purge.URLs) > 0 {
		statement, argument = `SELECT tiercache.invalidate_url($1)`, "http://"+l.Purge.URLs[0].Host+l.Purge.URLs[0].Path
	}
	if err := tx.QueryRow(ctx, statement, argument).Scan(&l.ID); err != nil {
		return err
	}
	if p.draw.in(40) {
		_ = rest(ctx, p.draw.between(0, 600*time.Millisecond)) // the commit says whether ctx has ended
	}
	if l.RolledBack {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}
