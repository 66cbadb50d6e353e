package proxy_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// personal answers with the client's cookie once it is let go: each request sends into begun and takes from
// release.
func personal(control string) (handle http.HandlerFunc, begun, release chan struct{}) {
	begun, release = make(chan struct{}, 100), make(chan struct{}, 100)
	return func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
		if control != "" {
			w.Header().Set("Cache-Control", control)
		}
		w.Header().Set("ETag", `"`+r.Header.Get("Cookie")+`"`)
		if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "hello ", r.Header.Get("Cookie"))
	}, begun, release
}

// RFC 9111, 4 and 5.2.2.4: a request may be collapsed into another's fill only if what comes may be reused for it
// without validation.
func TestServe_WhatNeedsValidationIsNotSharedByCollapsing(t *testing.T) {
	for _, control := range []string{"no-cache", "max-age=0", ""} {
		t.Run(control, func(t *testing.T) {
			handle, begun, release := personal(control)
			s := newSystem(t, handle)
			var asked sync.WaitGroup
			ask := func(name string) {
				asked.Go(func() {
					if r := s.get("/", "Cookie: "+name); r.body != "hello "+name {
						t.Errorf("%s got %q %s", name, r.body, r.header.Get("Cache-Status"))
					}
				})
			}
			ask("alice")
			<-begun
			ask("bob")
			select { // joins, since nobody can know yet
			case <-begun:
				t.Error("the second request did not wait for the first")
			case <-time.After(200 * time.Millisecond):
			}
			release <- struct{}{}
			<-begun // bob alone
			release <- struct{}{}
			asked.Wait()

			ask("carol") // by now what is stored says that each needs a validation of its own
			<-begun
			ask("dave")
			<-begun // while carol's has not been answered
			release <- struct{}{}
			release <- struct{}{}
			asked.Wait()
		})
	}
}

func TestServe_VaryOnFieldsThatTheNodeWrites(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Forwarded-For")
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"))
	})
	s.get("/").expect(t, 200, "127.0.0.1", "detail=vary-star")
	s.get("/").expect(t, 200, "127.0.0.1", "fwd=uri-miss")
}

func TestServe_VaryOnFieldsThatDoNotVary(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Forwarded-Proto, X-Original-Url")
		fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Original-Url"))
	})
	s.get("/", "X-Original-Url: /evil").expect(t, 200, "http", "stored")
	s.get("/").expect(t, 200, "http", "hit")
}

// A field that Connection removes does not reach the upstream, so it must not select either.
func TestServe_ConnectionCannotPoisonAVariant(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Flavour")
		fmt.Fprint(w, "<", r.Header.Get("X-Flavour"), ">")
	})
	s.get("/", "X-Flavour: salt", "Connection: X-Flavour").expect(t, 200, "<>", "stored")
	s.get("/", "X-Flavour: salt").expect(t, 200, "<salt>", "vary-miss")
	s.get("/").expect(t, 200, "<>", "hit")
	s.get("/", "X-Flavour: salt").expect(t, 200, "<salt>", "hit")
}

func TestServe_NotModifiedWithAnotherVaryIsFetchedAnew(t *testing.T) {
	var varies atomic.Bool
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if !varies.Load() {
			w.Header().Set("Cache-Control", "max-age=1")
			fmt.Fprint(w, "for all")
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Cookie")
		if r.Header.Get("If-None-Match") != "" && r.Header.Get("Cookie") == "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "for ", r.Header.Get("Cookie"))
	})
	s.get("/").expect(t, 200, "for all", "stored")
	varies.Store(true)
	s.clock.advance(2 * time.Second)
	s.get("/").expect(t, 200, "for ", "fwd-status=200")
	s.get("/", "Cookie: alice").expect(t, 200, "for alice", "vary-miss")
	s.get("/").expect(t, 200, "for ", "hit")
}

func TestServe_UnkeyedFieldsDoNotReachTheUpstream(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, ","), "evil") {
				t.Errorf("%s: %q reached the upstream", name, values)
			}
		}
		cacheable("x")(w, r)
	})
	for _, name := range []string{
		"X-Forwarded-Ssl", "X-Forwarded-Protocol", "X-Forwarded-Uri", "X-Forwarded-Path", "X_Forwarded_Host", "x-FORWARDED-anything",
		"Forwarded", "X-Original-URL", "Tiercache-Epoch",
	} {
		s.get("/"+name, name+": evil").expect(t, 200, "x", "stored")
	}
}

func TestServe_UnsafeMethodVoidsTheFillUnderWay(t *testing.T) {
	begun, release := make(chan struct{}, 1), make(chan struct{})
	var version atomic.Int64
	version.Store(1)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			version.Add(1)
			return
		}
		v := version.Load()
		w.Header().Set("Cache-Control", "max-age=60")
		if v == 1 {
			begun <- struct{}{}
			<-release
		}
		fmt.Fprint(w, "version ", v)
	})
	done := make(chan reply, 1)
	go func() { done <- s.get("/") }()
	<-begun
	s.do("POST", "/").expect(t, 200, "", "fwd=method")
	s.get("/").expect(t, 200, "version 2", "stored") // does not join the old fill
	close(release)
	(<-done).expect(t, 200, "version 1", "")
	s.get("/").expect(t, 200, "version 2", "hit")
}

// The list of variants that an unsafe method removes leads nowhere any more once it is made anew.
func TestServe_UnsafeMethodTakesAllVariants(t *testing.T) {
	var version atomic.Int64
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			version.Add(1)
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Language")
		fmt.Fprint(w, r.Header.Get("Accept-Language"), version.Load())
	})
	s.get("/", "Accept-Language: de").expect(t, 200, "de0", "stored")
	s.get("/", "Accept-Language: fr").expect(t, 200, "fr0", "stored")
	s.get("/", "Accept-Language: de").expect(t, 200, "de0", "hit")
	s.do("POST", "/").expect(t, 200, "", "fwd=method")
	s.get("/", "Accept-Language: fr").expect(t, 200, "fr1", "stored")
	s.get("/", "Accept-Language: de").expect(t, 200, "de1", "stored")
	s.get("/", "Accept-Language: de").expect(t, 200, "de1", "hit")
}

func TestServe_AFailedFlightIsNotJoined(t *testing.T) {
	var fail atomic.Bool
	fail.Store(true)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Length", "600000")
		w.Write(bytes.Repeat([]byte("x"), 300_000))
		if fail.Swap(false) {
			panic(http.ErrAbortHandler)
		}
		w.Write(bytes.Repeat([]byte("x"), 300_000))
	})
	hold := make(chan struct{})
	s.store.onRemove(func() { <-hold })
	if r := s.get("/"); r.err == nil {
		t.Fatalf("a cut body was passed off as whole: %d bytes", len(r.body))
	}
	if r := s.get("/"); r.err != nil || len(r.body) != 600_000 {
		t.Errorf("%d bytes, %v %s", len(r.body), r.err, r.header.Get("Cache-Status"))
	}
	close(hold)
}

func TestServe_JoinersOfARefreshThatCannotServeGoAlone(t *testing.T) {
	var private atomic.Bool
	begun, release := make(chan struct{}, 10), make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if !private.Load() {
			w.Header().Set("Cache-Control", "max-age=1, stale-while-revalidate=1")
			fmt.Fprint(w, "shared")
			return
		}
		begun <- struct{}{}
		<-release
		w.Header().Set("Cache-Control", "private")
		fmt.Fprint(w, "mine")
	})
	s.get("/").expect(t, 200, "shared", "stored")
	private.Store(true)
	s.clock.advance(1500 * time.Millisecond)
	s.get("/").expect(t, 200, "shared", "hit") // begins a refresh
	<-begun
	s.clock.advance(2 * time.Second)
	done := make(chan reply, 1)
	go func() { done <- s.get("/") }()
	select { // it joins the refresh rather than ask by itself
	case <-begun:
		t.Error("the request did not wait for the refresh")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	(<-done).expect(t, 200, "mine", "detail=private")
}

func TestServe_OneBadRequestLeavesTheStaleEntry(t *testing.T) {
	var down atomic.Bool
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("X-Bad") != "":
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.Header().Set("Cache-Control", "max-age=1, stale-if-error=600")
			fmt.Fprint(w, "x")
		}
	})
	s.get("/").expect(t, 200, "x", "stored")
	s.clock.advance(2 * time.Second)
	s.get("/", "X-Bad: 1").expect(t, 400, "", "fwd=stale")
	down.Store(true)
	s.get("/").expect(t, 200, "x", "stale-if-error")
}

func TestServe_PassesDoNotUseUpTheFills(t *testing.T) {
	hold := make(chan struct{})
	begun := make(chan struct{}, 4)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			begun <- struct{}{}
			<-hold
			return
		}
		cacheable("x")(w, r)
	}, func(c *proxy.Config, _ *policy.Service) { c.MaxFills, c.FillWait = 2, 50*time.Millisecond })
	var posts sync.WaitGroup
	for range 2 {
		posts.Go(func() { s.do("POST", "/upload") })
		<-begun
	}
	s.get("/").expect(t, 200, "x", "stored")
	if r := s.do("POST", "/upload"); r.status != http.StatusServiceUnavailable {
		t.Errorf("a pass above the cap: %d", r.status)
	}
	close(hold)
	posts.Wait()
}
