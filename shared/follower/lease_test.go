package follower

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/controllog"
)

// An answer that is long under way: whatever was sequenced meanwhile, the lease must not outlive it for longer than
// LeaseTime after the request was sent.
func TestLease_RunsFromWhenItsRequestWasSent(t *testing.T) {
	const late = controllog.LeaseTime - time.Millisecond
	var passed atomic.Int64
	sent := time.Now()
	l := chainOf(t, true)
	l.f.now = func() time.Time { return sent.Add(time.Duration(passed.Load())) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request controllog.Renew
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		passed.Store(int64(late))
		_ = json.NewEncoder(w).Encode(controllog.RenewReply{Nonce: request.Nonce, Head: base}) // plain fields, to one who waits
	}))
	defer server.Close()
	l.f.http = newControlHTTP(server.URL, "", nil)
	defer l.f.http.close()

	l.renew(t.Context(), time.Now())
	l.answer(<-l.renewed)
	l.settle()
	if !l.f.lease.Live(l.f.now()) {
		t.Fatalf("no lease: %s", l.reason)
	}
	if l.f.lease.Live(sent.Add(controllog.LeaseTime)) {
		t.Errorf("the lease is alive %v after it was asked for", controllog.LeaseTime)
	}
}

// A renewal is under way while the node hears that its branch of the log was lost. Its answer is about that branch.
func TestLease_AskedForBeforeTheBranchWasLost(t *testing.T) {
	l := chainOf(t, true)
	lost := entry(1)
	l.hear(&lost)
	asked := func(head uint64) *renewal {
		l.seq++
		return &renewal{seq: l.seq, applied: l.f.Applied(), sent: time.Now(), reply: controllog.RenewReply{Head: head}}
	}
	live := func() bool { l.settle(); return l.f.lease.Live(time.Now()) }
	l.answer(asked(base + 1))
	if !live() {
		t.Fatal("no lease")
	}
	before := asked(base + 1)
	term := controllog.Entry{Epoch: base + 1000, Prev: base, Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "restored"}}
	l.hear(&term)
	if live() {
		t.Error("the lease goes on")
	}
	l.answer(before)
	if live() {
		t.Error("it brought the lease back")
	}
	if l.failing {
		t.Error("the next renewal waits")
	}
	if l.lostEpoch != base+1 {
		t.Errorf("it tells control of %d", l.lostEpoch)
	}

	told := asked(term.Epoch)
	told.lost = base + 1
	l.answer(told)
	if l.lostEpoch != 0 {
		t.Error("control has heard, and it goes on telling")
	}
	if live() {
		t.Error("there is a lease without the term")
	}
	control := controllog.NewReplica(0)
	first := entry(0)
	first.Prev = 0
	if _, err := control.Apply(first, term); err != nil {
		t.Fatal(err)
	}
	if err := l.restore(&fetch{whole: true, image: control.Image()}); err != nil {
		t.Fatal(err)
	}
	if !live() {
		t.Error("there is no lease with the term")
	}
}
