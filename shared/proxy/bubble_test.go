package proxy_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// call is an exchange without a connection, for tests in a bubble of testing/synctest, which knows of no network.
type call struct {
	method string
	target string
	header httpcache.Fields

	hints  []string
	hinted func() // called by Hint; nil: nothing is

	status int
	fields httpcache.Fields // of the reply
	body   io.ReadCloser
	length int64
}

func (c *call) Method() string           { return c.method }
func (c *call) Scheme() string           { return "http" }
func (c *call) Authority() string        { return "site.example" }
func (c *call) Target() string           { return c.target }
func (c *call) Header() httpcache.Header { return c.header }
func (c *call) Body() (io.Reader, int64) { return nil, 0 }
func (c *call) Protocol() string         { return "1.1" }
func (c *call) Peer() string             { return "127.0.0.1" }

// Hint keeps what it is given.
func (c *call) Hint(fields []byte) {
	c.hints = append(c.hints, string(fields))
	if c.hinted != nil {
		c.hinted()
	}
}

func (c *call) Reply(status int, fields []byte, body proxy.Payload) {
	c.status, c.body, c.length = status, body.Stream, body.Length
	for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		c.fields.Add(name, value)
	}
	if body.Stream == nil {
		c.body = io.NopCloser(bytes.NewReader(body.Bytes))
		c.length = max(c.length, int64(len(body.Bytes)))
	}
}

// ask sends a GET to p and reads the reply; fields are "Name: value".
func ask(ctx context.Context, p *proxy.Proxy, target string, fields ...string) reply {
	c := &call{method: "GET", target: target}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		c.header.Add(name, value)
	}
	p.Serve(ctx, c)
	defer c.body.Close()
	body, err := io.ReadAll(c.body)
	r := reply{status: c.status, header: http.Header{}, body: string(body), err: err}
	for _, f := range c.fields {
		r.header.Add(f.Name, f.Value)
	}
	return r
}

// toProxy is an Upstream that asks a node of the next tier, without a network.
type toProxy struct{ next *proxy.Proxy }

func (u toProxy) Fetch(ctx context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	c := &call{method: r.Method, target: r.Target, header: append(r.Header.Clone(), httpcache.Field{Name: "Tiercache-Tier", Value: "secret"})}
	u.next.Serve(ctx, c)
	return &proxy.Response{Status: c.status, Header: c.fields, Body: c.body, Length: c.length, FromTier: true}, nil
}

// site is an Upstream that is not ours.
type site func(*proxy.Request) (status int, header httpcache.Fields, body string)

func (s site) Fetch(_ context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	status, header, body := s(r)
	return &proxy.Response{Status: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body))}, nil
}

// pair is an edge in front of a regional node in front of a site, all in one bubble.
type pair struct {
	edge, regional           *proxy.Proxy
	edgeStore, regionalStore *memory
}

func newPair(t *testing.T, atEdge, atRegional proxy.ControlLog, upstream proxy.Upstream, options ...option) *pair {
	t.Helper()
	p := &pair{edgeStore: newMemory(), regionalStore: newMemory()}
	node := func(cfg proxy.Config, deps proxy.Deps) *proxy.Proxy {
		service := policy.Service{Name: "site", Hosts: []string{"*"}, Upstream: "http://site.example"}
		for _, o := range options {
			o(&cfg, &service)
		}
		set, err := policy.NewSet([]policy.Service{service})
		if err != nil {
			t.Fatal(err)
		}
		deps.Policy, deps.Log = set, slog.New(slog.DiscardHandler)
		made, err := proxy.New(cfg, deps)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	p.regional = node(proxy.Config{Node: "regional-1", TierToken: "secret"}, proxy.Deps{Store: p.regionalStore, Upstream: upstream, Control: atRegional})
	p.edge = node(proxy.Config{Node: "edge-1", FacesClients: true, TierToken: "secret"}, proxy.Deps{Store: p.edgeStore, Upstream: toProxy{p.regional}, Control: atEdge})
	return p
}
