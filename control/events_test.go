package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// listen follows events from since until the test ends.
func (n *controlNode) listen(t *testing.T, since int64) <-chan client.Event {
	t.Helper()
	events := make(chan client.Event, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := n.client(t, n.token)
	go func() {
		defer close(done)
		err := c.Events(ctx, since, func(e client.Event) error {
			events <- e
			return nil
		})
		if !errors.Is(err, context.Canceled) && !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("events: %v", err)
		}
		close(events)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return events
}

// next is the next event of a type; others are skipped.
func next(t *testing.T, events <-chan client.Event, kind string) client.Event {
	t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before a %s", kind)
			}
			if e.Type == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no %s", kind)
		}
	}
}

func TestEvents_WhatHappensIsToldInOrder(t *testing.T) {
	n := start(t, nil)
	c, ctx := n.client(t, n.token), t.Context()
	live := n.listen(t, client.FromNow)
	head := next(t, live, client.EventHead)
	purge, err := c.CreatePurge(ctx, client.PurgeRequest{Tags: []string{"a"}, Mode: "soft"}, "")
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateToken(ctx, client.NewToken{Name: "ci", Roles: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutService(ctx, "shop", shop("1m"), -1); err != nil {
		t.Fatal(err)
	}
	active, err := c.ActivateService(ctx, "shop", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := <-live, <-live, <-live
	if first.Type != client.EventPurge || first.Epoch != purge.Epoch || first.Epoch <= head.Epoch || first.Size != 1 || string(first.Detail) != `{"mode":"soft","tags":["a"]}` {
		t.Errorf("%+v %s", first, first.Detail)
	}
	if second.Type != client.EventToken || second.Epoch != made.Epoch || strings.Contains(string(second.Detail), "sha256") {
		t.Errorf("%+v %s", second, second.Detail)
	}
	if third.Type != client.EventService || third.Epoch != active.Epoch || string(third.Detail) != `{"name":"shop","version":1}` {
		t.Errorf("%+v %s", third, third.Detail)
	}
	behind := n.listen(t, int64(first.Epoch))
	if e := <-behind; e.Epoch != second.Epoch {
		t.Errorf("behind the first: %+v", e)
	}
	if e := <-behind; e.Epoch != third.Epoch {
		t.Errorf("then: %+v", e)
	}
	if e := <-behind; e.Type != client.EventHead || e.Epoch != third.Epoch {
		t.Errorf("then: %+v", e)
	}
	if e := next(t, n.listen(t, 0), client.EventTerm); e.Epoch == 0 {
		t.Errorf("from the beginning: %+v", e)
	}
}

func TestEvents_MembersThatJoinAndLeave(t *testing.T) {
	n := start(t, nil)
	live := n.listen(t, client.FromNow)
	next(t, live, client.EventHead)
	hello := &controllog.Renew{Node: "edge-1", Tier: "edge", Region: "r1", Addr: "127.0.0.1:1", Instance: "one", Join: true}
	if err := n.members.Join(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	var m client.MemberChange
	if e := next(t, live, client.EventMember); json.Unmarshal(e.Detail, &m) != nil || m != (client.MemberChange{Node: "edge-1", Tier: "edge", Region: "r1", Change: members.ChangeJoined}) {
		t.Errorf("%+v %s", e, e.Detail)
	}
	n.members.Leave(hello)
	if e := next(t, live, client.EventMember); json.Unmarshal(e.Detail, &m) != nil || m.Change != members.ChangeLeft {
		t.Errorf("%+v %s", e, e.Detail)
	}
}

// A stop does not wait for those who follow.
func TestEvents_EndWithTheNode(t *testing.T) {
	n := start(t, func(c *Config) { c.DrainTimeout = time.Minute })
	live := n.listen(t, client.FromNow)
	next(t, live, client.EventHead)
	began := time.Now()
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	for range live { // until the stream has ended
	}
}

func TestEvents_Refusals(t *testing.T) {
	n := start(t, nil)
	if r := get(t, n.url+"/v1/events", ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d", r.StatusCode)
	}
	if r := get(t, n.url+"/v1/events?since=x", "Bearer "+n.token); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	for range maxStreams {
		if _, _, ok := n.events.join(); !ok {
			t.Fatal("refused too early")
		}
	}
	if r := get(t, n.url+"/v1/events", "Bearer "+n.token); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

// fakeLog is a log that can be cut off at its beginning.
type fakeLog struct {
	floor, head uint64
	reads       int
}

func (l *fakeLog) rows(_ context.Context, after uint64) ([]controllog.Row, error) {
	l.reads++
	if after < l.floor {
		return nil, postgres.ErrCompacted
	}
	var rows []controllog.Row
	for e := after + 1; e <= min(l.head, after+10); e++ {
		rows = append(rows, controllog.Row{Epoch: e, Prev: e - 1, Kind: "purge", Body: []byte(`{"all":true}`)})
	}
	return rows, nil
}

func (l *fakeLog) events() *events {
	e := &events{log: l.rows, applied: func() uint64 { return l.head }, wake: make(chan struct{}, 1)}
	e.mu.changed = make(chan struct{})
	return e
}

func TestEvents_NobodyListensNothingIsRead(t *testing.T) {
	log := &fakeLog{head: 5}
	e := log.events()
	log.head = 50
	if e.read(t.Context()); log.reads != 0 {
		t.Errorf("%d reads", log.reads)
	}
	_, epoch, _ := e.join()
	log.head = 75
	if e.read(t.Context()); epoch != 50 || e.mu.after != 75 || e.mu.written != 25 {
		t.Errorf("from %d, through %d, %d events", epoch, e.mu.after, e.mu.written)
	}
}

func TestEvents_CompactedEntriesAreAGap(t *testing.T) {
	log := &fakeLog{head: 20, floor: 15}
	list, through, err := log.events().entries(t.Context(), 3)
	if err != nil || through != 20 || len(list) != 1 || list[0].Type != client.EventGap || list[0].Epoch != 20 {
		t.Errorf("%+v %d %v", list, through, err)
	}
}

// flushed collects what a stream writes.
type flushed struct {
	strings.Builder
	header http.Header
	wrote  func(string)
}

func (w *flushed) Header() http.Header              { return w.header }
func (w *flushed) WriteHeader(int)                  {}
func (w *flushed) Flush()                           {}
func (w *flushed) SetWriteDeadline(time.Time) error { return nil }
func (w *flushed) SetReadDeadline(time.Time) error  { return nil }
func (w *flushed) Write(b []byte) (int, error)      { w.wrote(string(b)); return w.Builder.Write(b) }

// What is in the ring and was read from the log already is told once.
func TestEvents_NothingIsToldTwice(t *testing.T) {
	log := &fakeLog{head: 1}
	e := log.events()
	cursor, epoch, _ := e.join()
	log.head = 5
	e.read(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	w := &flushed{header: http.Header{}, wrote: func(text string) {
		if strings.Contains(text, "event: head") {
			cancel()
		}
	}}
	s := stream{events: e, w: w, conn: http.NewResponseController(w), cursor: cursor}
	s.run(ctx, epoch)
	if got := strings.Count(w.String(), "id: "); got != 5 {
		t.Errorf("%d entries, want 5", got)
	}
}

// A client that reads so slowly that the ring goes round gets every entry once, in order, from the log.
func TestEvents_SlowClientLosesNoEntry(t *testing.T) {
	log := &fakeLog{head: 1}
	e := log.events()
	cursor, epoch, _ := e.join()
	ctx, cancel := context.WithCancel(t.Context())
	const last = 1 + 3*ringSize
	w := &flushed{header: http.Header{}}
	w.wrote = func(text string) {
		if strings.Contains(text, "event: head") {
			log.head = last
			e.read(ctx) // while the client is reading the first event
		}
		if strings.HasPrefix(text, fmt.Sprintf("id: %d\n", last)) {
			cancel()
		}
	}
	s := stream{events: e, w: w, conn: http.NewResponseController(w), sent: epoch, cursor: cursor}
	s.run(ctx, epoch)
	want := uint64(2)
	for line := range strings.Lines(w.String()) {
		var id uint64
		if _, err := fmt.Sscanf(line, "id: %d\n", &id); err == nil {
			if id != want {
				t.Fatalf("%d, want %d", id, want)
			}
			want++
		}
	}
	if want != last+1 {
		t.Errorf("the last was %d", want-1)
	}
}
