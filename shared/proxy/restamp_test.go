package proxy_test

import (
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// interrupted is a ledger with which something happens right after a response was checked, before anything is made
// of that.
type interrupted struct {
	*ledger
	checked atomic.Pointer[func()]
}

func (l *interrupted) Check(stamp uint64, scopes []object.Scope) invalidation.Verdict {
	verdict := l.ledger.Check(stamp, scopes)
	if then := l.checked.Swap(nil); then != nil {
		(*then)()
	}
	return verdict
}

// A purge that is applied between a hit's check and its reply: the hit stands as of what was applied before the check.
// Were the epoch read afterwards, the old bytes would be passed on as good as of the purge, and whoever asks for that
// epoch, another tier or a client, would be given them.
func TestPurge_BetweenTheCheckOfAHitAndItsReply(t *testing.T) {
	l, v := &interrupted{ledger: newLedger()}, &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	var e uint64
	purge := func() {
		v.version.Add(1)
		e = l.purge(invalidation.Hard, tag("t"))
	}
	l.checked.Store(&purge)
	r := s.get("/")
	r.expect(t, 200, "v0", "hit") // it asked before the purge
	if e == 0 || r.epoch() >= e {
		t.Errorf("bytes from before the purge %d are passed on with %d", e, r.epoch())
	}
	s.get("/").expect(t, 200, "v1", "stored")
}

// A stored response that is served stale, since the client has asked for no better (RFC 9111, 5.2.1.2), passes on its own
// stamp: nobody has said that it is good as of what was applied since.
func TestServe_WhatIsStaleKeepsItsStamp(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve, ruled(t, "  - request_directives: honour\n"))
	first := s.get("/")
	first.expect(t, 200, "v0", "stored")
	applied := l.purge(invalidation.Hard, tag("of something else"))
	s.clock.advance(70 * time.Second)
	r := s.get("/", "Cache-Control: max-stale=30")
	r.expect(t, 200, "v0", "hit; ttl=-1")
	if r.epoch() != first.epoch() || r.epoch() >= applied {
		t.Errorf("passed on with %d, stored with %d, and %d is applied", r.epoch(), first.epoch(), applied)
	}
}
