package holdings_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/cachekey"
	"tiercache/shared/holdings"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
	"tiercache/shared/policy"
	"tiercache/shared/testkit"
)

const patience = 30 * time.Second

// view is a node's view of the log: a real index, and a lease that the test gives.
type view struct {
	*invalidation.Index
	live atomic.Bool
}

func (v *view) Live(time.Time) bool { return v.live.Load() }

// fixture is a node with a store, and control, on a bus.
type fixture struct {
	t       *testing.T
	control *bus.Bus
	store   *storetest.Memory
	view    *view
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	server, err := natsd.New(natsd.Config{Listen: "127.0.0.1:0", Credentials: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Start(t, server.Run)
	dial := func(role string) *bus.Bus {
		b, err := bus.Connect(t.Context(), bus.Config{URL: server.URL(), SeedFile: natsd.SeedFile(dir, role), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	f := &fixture{t: t, control: dial("control"), store: &storetest.Memory{}, view: &view{Index: invalidation.NewIndex(1000)}}
	f.view.live.Store(true)
	h := holdings.New(holdings.Config{Tier: "edge", Node: "edge-1"}, holdings.Deps{
		Store: f.store, View: f.view, Bus: dial("edge"), Log: slog.New(slog.DiscardHandler),
	})
	set, err := policy.NewSet([]policy.Service{
		{Name: "shop", Hosts: []string{"shop.example"}, Upstream: policy.UpstreamOrigin, OnPartition: policy.PartitionStrict},
		{Name: "site", Hosts: []string{"site.example"}, Upstream: "http://127.0.0.1:1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.SetPolicy(set)
	testkit.Start(t, h.Run)
	testkit.Eventually(t, patience, func() error {
		_, err := f.control.Ask(t.Context(), "edge", "edge-1", []byte("{}"))
		return err
	})
	return f
}

// keep stores a response of a service with a body and returns its scopes.
func (f *fixture) keep(service, target string, stamp uint64, body int, tags ...string) []object.Scope {
	f.t.Helper()
	host := service + ".example"
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: service, Host: host, Target: target, Tags: tags})
	if err != nil {
		f.t.Fatal(err)
	}
	key := cachekey.Append(nil, cachekey.Parts{Service: service, Scheme: "http", Host: host, Target: target})
	head := object.Head{
		Kind: object.KindResponse, Key: string(key), Stamp: stamp, Scopes: scopes, BodySize: int64(body),
		Meta:   httpcache.Meta{Status: 200, ResponseTime: 1_700_000_000_000},
		Fields: object.MakeBlock(httpcache.Fields{{Name: "ETag", Value: fmt.Sprintf("%q", target)}}),
	}
	var inline []byte
	if head.Inline() {
		inline = make([]byte, body)
	}
	digest := cachekey.Digest(key)
	if err := f.store.Store(f.t.Context(), string(digest[:]), object.AppendEntry(nil, &head, inline), 0); err != nil {
		f.t.Fatal(err)
	}
	return scopes
}

// ask puts a question as control does.
func (f *fixture) ask(q holdings.Question) (a holdings.Answer) {
	f.t.Helper()
	payload, err := json.Marshal(q)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	answer, err := f.control.Ask(ctx, "edge", "edge-1", payload)
	if err == nil {
		err = json.Unmarshal(answer, &a)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// all asks for a whole walk.
func (f *fixture) all(q holdings.EntriesQuestion) (entries map[string]holdings.Entry, last *holdings.Page) {
	f.t.Helper()
	entries = map[string]holdings.Entry{}
	for number := 1; ; number++ {
		a := f.ask(holdings.Question{Entries: &q})
		if a.Page == nil || a.Page.Number != number {
			f.t.Fatalf("page %d is %v, problem %q", number, a.Page != nil, a.Problem)
		}
		for _, e := range a.Page.Entries {
			entries[e.Host+e.Target] = e
		}
		if a.Page.Walk == "" {
			return entries, a.Page
		}
		q.Walk = a.Page.Walk
	}
}

func TestEntries_AreAllThatIsStoredWithTheNodesVerdict(t *testing.T) {
	f := newFixture(t)
	const n = 1500
	for i := range n {
		f.keep("site", fmt.Sprintf("/%d", i), 10, i)
	}
	f.keep("shop", "/dead", 10, 5, "red")
	scopes := f.keep("shop", "/stale", 11, object.SegmentSize+1, "blue")
	f.keep("shop", "/live", 12, 5, "red", "blue")
	if err := f.store.Store(t.Context(), "0123456789abcdef", []byte("no entry"), 0); err != nil {
		t.Fatal(err)
	}
	f.view.Purge(11, invalidation.Hard, []object.Scope{invalidation.TagScope("shop", "red")})
	f.view.Purge(12, invalidation.Soft, []object.Scope{invalidation.TagScope("", "blue")})
	f.view.Advance(12)
	entries, last := f.all(holdings.EntriesQuestion{Limit: 100})
	if len(entries) != n+3 || last.Applied != 12 || !last.Live {
		t.Fatalf("%d entries, the last page %d, %v", len(entries), last.Applied, last.Live)
	}
	for target, want := range map[string]string{"shop.example/dead": "dead", "shop.example/stale": "stale", "shop.example/live": "live", "site.example/7": "live"} {
		if e := entries[target]; e.Verdict != want || e.Withheld || e.Own != (e.Service == "shop") {
			t.Errorf("%s: %+v, want %s", target, e, want)
		}
	}
	e := entries["shop.example/stale"]
	want := holdings.Entry{
		Key: e.Key, Service: "shop", Scheme: "http", Host: "shop.example", Target: "/stale", Kind: "response", Stamp: 11, Scopes: e.Scopes,
		Verdict: "stale", Own: true, Status: 200, ETag: `"/stale"`, Bytes: e.Bytes, Stored: time.UnixMilli(1_700_000_000_000).UTC(),
	}
	key, err := hex.DecodeString(e.Key)
	if err != nil || len(key) != object.EntryKeySize || e.Bytes < object.SegmentSize+1 || fmt.Sprint(e) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", e, want)
	}
	if got := holdings.Unpack(e.Scopes); fmt.Sprint(got) != fmt.Sprint(scopes) {
		t.Errorf("scopes %x, want %x", got, scopes)
	}

	f.view.live.Store(false)
	entries, _ = f.all(holdings.EntriesQuestion{Service: "shop"})
	if len(entries) != 3 || !entries["shop.example/live"].Withheld {
		t.Errorf("without a lease, of the strict service: %+v", entries)
	}
}

// TestEntries_IsJudgedAfterTheQuestion purges between two pages: what the second one has was not judged before.
func TestEntries_IsJudgedAfterTheQuestion(t *testing.T) {
	f := newFixture(t)
	for i := range 20 {
		f.keep("site", fmt.Sprintf("/%d", i), 10, 5)
	}
	first := f.ask(holdings.Question{Entries: &holdings.EntriesQuestion{Limit: 10}}).Page
	f.view.Purge(11, invalidation.Hard, []object.Scope{invalidation.AllScope()})
	f.view.Advance(11)
	second := f.ask(holdings.Question{Entries: &holdings.EntriesQuestion{Walk: first.Walk}}).Page
	for _, e := range first.Entries {
		if e.Verdict != "live" {
			t.Errorf("before: %+v", e)
		}
	}
	for _, e := range second.Entries {
		if e.Verdict != "dead" {
			t.Errorf("after: %+v", e)
		}
	}
	if len(first.Entries) != 10 || len(second.Entries) != 10 || second.Applied != 11 || second.Walk != "" {
		t.Errorf("%d and %d entries, applied %d", len(first.Entries), len(second.Entries), second.Applied)
	}
}

func TestEntries_WalksAreBounded(t *testing.T) {
	f := newFixture(t)
	for i := range 20 {
		f.keep("site", fmt.Sprintf("/%d", i), 10, 5)
	}
	begin := holdings.Question{Entries: &holdings.EntriesQuestion{Limit: 1}}
	walks := map[string]bool{}
	for range 4 {
		walks[f.ask(begin).Page.Walk] = true
	}
	if a := f.ask(begin); a.Problem == "" || len(walks) != 4 {
		t.Errorf("a fifth walk: problem %q; walks %v", a.Problem, walks)
	}
	for walk := range walks {
		if a := f.ask(holdings.Question{Entries: &holdings.EntriesQuestion{Walk: walk}}); a.Page == nil || a.Page.Walk != "" {
			t.Errorf("the rest of a walk: %s", a.Problem)
		}
		break
	}
	if a := f.ask(begin); a.Problem != "" {
		t.Errorf("after one has ended: %s", a.Problem)
	}
	for _, q := range []string{`{"entries":{"walk":"unknown"}}`, `{}`, `{"entries`, `{"count":{"scopes":"` + string(bytes.Repeat([]byte("A"), 900_000)) + `"}}`} {
		answer, err := f.control.Ask(t.Context(), "edge", "edge-1", []byte(q))
		var a holdings.Answer
		if err != nil || json.Unmarshal(answer, &a) != nil || a.Problem == "" {
			t.Errorf("%.40s: %s, %v", q, answer, err)
		}
	}
}

func TestCount_IsWhatAPurgeWouldConcern(t *testing.T) {
	f := newFixture(t)
	bytes := map[string]int64{}
	for i := range 100 {
		f.keep("site", fmt.Sprintf("/%d", i), 10, i*100, []string{"even", "odd"}[i%2])
	}
	f.keep("site", "/dead", 5, 5, "even", "gone")
	f.view.Purge(6, invalidation.Hard, []object.Scope{invalidation.TagScope("site", "gone")})
	f.view.Advance(6)
	entries, _ := f.all(holdings.EntriesQuestion{})
	for _, e := range entries {
		if e.Verdict == "live" {
			bytes["all"] += e.Bytes
		}
	}
	bytes["/7"] = entries["site.example/7"].Bytes
	for _, c := range []struct {
		q       holdings.Question
		objects int64
		bytes   int64
	}{
		{holdings.NewCount([]object.Scope{invalidation.TagScope("site", "even")}, false, time.Second), 50, -1},
		{holdings.NewCount([]object.Scope{invalidation.TagScope("", "odd"), invalidation.TagScope("site", "even")}, false, time.Second), 100, bytes["all"]},
		{holdings.NewCount([]object.Scope{invalidation.URLScope("site.example", "/7", "")}, false, time.Second), 1, bytes["/7"]},
		{holdings.NewCount([]object.Scope{invalidation.ServiceScope("shop")}, false, time.Second), 0, 0},
		{holdings.NewCount(nil, true, time.Second), 100, bytes["all"]},
	} {
		got := f.ask(c.q).Count
		if got == nil || !got.Exact || got.Objects != c.objects || c.bytes >= 0 && got.Bytes != c.bytes || got.ObjectsError != 0 || got.BytesError != 0 {
			t.Errorf("%+v, want %d objects, %d bytes", got, c.objects, c.bytes)
		}
	}
}
