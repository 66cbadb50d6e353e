package proxy_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// hinter is an Upstream that does what tests tell it to, one request after the other.
type hinter struct {
	asked chan *proxy.Request
	reply chan httpcache.Fields // a response with these
}

func newHinter() *hinter {
	return &hinter{asked: make(chan *proxy.Request, 10), reply: make(chan httpcache.Fields)}
}

func (h *hinter) Fetch(_ context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	h.asked <- r
	header := <-h.reply
	return &proxy.Response{Status: 200, Header: header, Body: io.NopCloser(strings.NewReader("x")), Length: 1}, nil
}

func link(n int) httpcache.Fields {
	return httpcache.Fields{{Name: "Link", Value: fmt.Sprintf("</%d>", n)}}
}

func cached(control string) httpcache.Fields {
	return httpcache.Fields{{Name: "Cache-Control", Value: control}}
}

// visit sends a GET in a goroutine of its own; fields are "Name: value". done is closed behind the reply.
func visit(p *proxy.Proxy, hinted func(), fields ...string) (c *call, done chan struct{}) {
	c = &call{method: "GET", target: "/", hinted: hinted}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		c.header.Add(name, value)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		p.Serve(context.Background(), c)
		_, _ = io.Copy(io.Discard, c.body)
		c.body.Close()
	}()
	synctest.Wait()
	return c, done
}

func (c *call) heard() string { return strings.ReplaceAll(fmt.Sprint(c.hints), "\r\n", "") }

// Those that wait for one fill have its hints, also those that came before they joined, and once; who comes when the
// response is there has none.
func TestHints_WaitersHaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newHinter()
		p := newPair(t, nil, nil, upstream, earlyHints).regional
		leader, _ := visit(p, nil, "User-Agent: a", "Sec-Fetch-Mode: navigate")
		asked := <-upstream.asked
		waiter, _ := visit(p, nil, "User-Agent: b", "Accept-Language: de")
		asked.Hint(link(1))
		synctest.Wait()
		late, _ := visit(p, nil)
		asked.Hint(link(2))
		synctest.Wait()
		upstream.reply <- cached("max-age=60")
		synctest.Wait()
		asked.Hint(link(3))
		hit, _ := visit(p, nil)
		for name, c := range map[string]*call{"leader": leader, "waiter": waiter, "late": late} {
			if c.heard() != "[Link: </1> Link: </2>]" || c.status != 200 || c.fields.Has("Link") {
				t.Errorf("%s: %s, %d %v", name, c.heard(), c.status, c.fields)
			}
		}
		if hit.hints != nil || !strings.Contains(hit.fields.Value("Cache-Status"), "hit") {
			t.Errorf("hit: %s, %v", hit.heard(), hit.fields)
		}
	})
}

// What goes on of the hints of one request is bounded, is text, and is Link alone; nothing is cut.
func TestHints_WhatGoesOn(t *testing.T) {
	of := func(values ...string) (f httpcache.Fields) {
		for _, v := range values {
			f.Add("Link", v)
		}
		return f
	}
	var many []httpcache.Fields
	for i := range 20 {
		many = append(many, link(i))
	}
	long := strings.Repeat("a", 3000)
	for name, c := range map[string]struct {
		hints []httpcache.Fields
		heard string
	}{
		"many":              {many, "[Link: </0> Link: </1> Link: </2> Link: </3> Link: </4> Link: </5> Link: </6> Link: </7>]"},
		"long":              {[]httpcache.Fields{of(long, long, long, "</b>"), of(long), link(9)}, "[Link: " + long + "Link: " + long + "Link: </b> Link: </9>]"},
		"too long":          {[]httpcache.Fields{of(long + long + long), of("</b>")}, "[Link: </b>]"},
		"as long as may be": {[]httpcache.Fields{of(long + long + long[:8<<10-6000-8])}, "[Link: " + long + long + long[:8<<10-6000-8] + "]"},
		"a byte longer":     {[]httpcache.Fields{of(long + long + long[:8<<10-6000-7])}, "[]"},
		"the same":          {[]httpcache.Fields{link(1), link(2), link(1)}, "[Link: </1> Link: </2>]"},
		"no text":           {[]httpcache.Fields{of("</\x01>", "</a>\r\nX: y", "</a>\nX: y", "</\x7f>", "</ä>", "", "<b>;\tx")}, "[Link: <b>;\tx]"},
		"nothing":           {[]httpcache.Fields{nil, of(""), {{Name: "X", Value: "y"}}}, "[]"},
		"other fields":      {[]httpcache.Fields{{{Name: "Set-Cookie", Value: "a=b"}, {Name: "link", Value: "</a>"}, {Name: "Age", Value: "1"}}}, "[Link: </a>]"},
		"of the connection": {[]httpcache.Fields{{{Name: "Link", Value: "</a>"}, {Name: "Connection", Value: "close, link"}}}, "[]"},
	} {
		for _, method := range []string{"GET", "POST"} { // for a fill, and straight through
			synctest.Test(t, func(t *testing.T) {
				upstream := newHinter()
				p := newPair(t, nil, nil, upstream, earlyHints).regional
				client := &call{method: method, target: "/"}
				go p.Serve(context.Background(), client)
				asked := <-upstream.asked
				for _, fields := range c.hints {
					asked.Hint(fields)
					synctest.Wait()
				}
				if client.heard() != c.heard {
					t.Errorf("%s, %s: %.200s", name, method, client.heard())
				}
				end(upstream)
				client.body.Close()
			})
		}
	}
}

// A service that has not asked for hints takes none from the upstream.
func TestHints_OnlyWhereAskedFor(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		synctest.Test(t, func(t *testing.T) {
			upstream := newHinter()
			p := newPair(t, nil, nil, upstream).regional
			client := &call{method: method, target: "/"}
			go p.Serve(context.Background(), client)
			if asked := <-upstream.asked; asked.Hint != nil {
				t.Errorf("%s wants hints", method)
			}
			end(upstream)
			client.body.Close()
		})
	}
}

// Before the response nobody knows whether it may be shared: a hint that came for one user reaches no other, whatever
// tells the two apart.
func TestHints_OfOneUserReachNoOther(t *testing.T) {
	users := [][]string{
		nil, {"Cookie: session=1"}, {"Cookie: session=2"}, {"Cookie: session=1", "Cookie: x=y"}, {"X-Api-Key: 1"}, {"X-Api-Key: 2"},
		{"Authorization: Basic YTpi"},
	}
	for i, one := range users {
		for k, other := range users {
			synctest.Test(t, func(t *testing.T) {
				upstream := newHinter()
				p := newPair(t, nil, nil, upstream, earlyHints).regional
				leader, _ := visit(p, nil, one...)
				asked := <-upstream.asked
				waiter, _ := visit(p, nil, other...)
				asked.Hint(link(1))
				synctest.Wait()
				if leader.heard() != "[Link: </1>]" {
					t.Errorf("%q: the leader has %s", one, leader.heard())
				}
				waits := len(upstream.asked) == 0 // else it asks for itself
				if heard := len(waiter.hints) > 0; heard != (waits && i == k) {
					t.Errorf("%q gets hints of %q: %s", other, one, waiter.heard())
				}
				end(upstream)
			})
		}
	}
}

// end replies to all that is asked.
func end(upstream *hinter) {
	for synctest.Wait(); ; synctest.Wait() {
		select {
		case upstream.reply <- cached("max-age=60"):
		default:
			return
		}
	}
}

// Cookies that the upstream is not sent tell nobody apart.
func TestHints_OfWhatTheKeyLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newHinter()
		p := newPair(t, nil, nil, upstream, earlyHints, ruled(t, "- key: {cookies: [lang]}")).regional
		_, _ = visit(p, nil, "Cookie: lang=de; session=1")
		asked := <-upstream.asked
		waiter, _ := visit(p, nil, "Cookie: session=2; lang=de")
		asked.Hint(link(1))
		synctest.Wait()
		if waiter.heard() != "[Link: </1>]" {
			t.Errorf("%s", waiter.heard())
		}
		end(upstream)
	})
}

// A client that takes no hint holds up neither the fill nor those that wait with it.
func TestHints_ASlowClientHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newHinter()
		p := newPair(t, nil, nil, upstream, earlyHints).regional
		taken := make(chan struct{})
		slow, slowDone := visit(p, func() { <-taken })
		asked := <-upstream.asked
		_, done := visit(p, nil)
		for i := range 5 {
			asked.Hint(link(i))
			synctest.Wait()
		}
		upstream.reply <- cached("max-age=60")
		<-done
		ask(t.Context(), p, "/").expect(t, 200, "x", "hit")
		close(taken)
		<-slowDone
		if slow.heard() != "[Link: </0>]" || slow.status != 200 {
			t.Errorf("%s, %d", slow.heard(), slow.status)
		}
	})
}

// Who waited in vain and asks alone is not told the same again.
func TestHints_OnceForThoseSentAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newHinter()
		p := newPair(t, nil, nil, upstream, earlyHints).regional
		_, _ = visit(p, nil)
		asked := <-upstream.asked
		waiter, done := visit(p, nil)
		asked.Hint(link(1))
		synctest.Wait()
		upstream.reply <- cached("private")
		alone := <-upstream.asked
		alone.Hint(link(1))
		synctest.Wait()
		upstream.reply <- cached("private")
		<-done
		if waiter.heard() != "[Link: </1>]" || waiter.status != 200 {
			t.Errorf("%s, %d", waiter.heard(), waiter.status)
		}
	})
}

// A refresh in the background has nobody to tell: neither who was served stale meanwhile, nor who joins it.
func TestHints_NotOfABackgroundRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newHinter()
		p := newPair(t, nil, nil, upstream, earlyHints).regional // serves whoever is no tier as an edge does
		first, done := visit(p, nil)
		<-upstream.asked
		upstream.reply <- cached("max-age=0, stale-while-revalidate=60")
		<-done
		stale, done := visit(p, nil)
		<-done
		if asked := <-upstream.asked; asked.Hint != nil {
			t.Error("the refresh wants hints")
		}
		joined, done := visit(p, nil, "Cache-Control: max-stale=0")
		upstream.reply <- cached("max-age=60")
		<-done
		for _, c := range []*call{first, stale, joined} {
			if c.hints != nil || c.status != 200 {
				t.Errorf("%s, %d", c.heard(), c.status)
			}
		}
	})
}

// panicking is an Upstream with a bug.
type panicking struct{}

func (panicking) Fetch(context.Context, *policy.Match, *proxy.Request) (*proxy.Response, error) {
	panic("a bug")
}

// A panic ends its own request, whoever's goroutine it is in.
func TestHints_APanicEndsOneRequest(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		synctest.Test(t, func(t *testing.T) {
			client := &call{method: method, target: "/"}
			newPair(t, nil, nil, panicking{}, earlyHints).regional.Serve(t.Context(), client)
			if client.status < 500 {
				t.Errorf("%s: %d", method, client.status)
			}
		})
	}
}
