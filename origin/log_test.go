package origin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/origin/api"
	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// epoch is that of a reply, 0 for none.
func (a answer) epoch(t *testing.T) uint64 {
	t.Helper()
	text := a.header.Get("Tiercache-Epoch")
	if text == "" {
		return 0
	}
	epoch, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return epoch
}

func TestEpoch_IsOnEveryReplyAboutAnObject(t *testing.T) {
	n := startNode(t, settings{})
	put := n.put("h/x", "0123456789")
	first := put.epoch(t)
	var doc api.Written
	if err := json.Unmarshal([]byte(put.body), &doc); err != nil || doc.Epoch == nil || *doc.Epoch != first || first == 0 || doc.Receipt != nil {
		t.Errorf("put: epoch %d, %s", first, put.body)
	}
	if put.header.Get("Tiercache-Lease") != "" {
		t.Error("a write tells of a lease")
	}
	for what, a := range map[string]answer{
		"get": n.get("h", "/x"), "head": n.do("HEAD", "/x", "h", nil), "304": n.get("h", "/x", "If-None-Match: *"),
		"206": n.get("h", "/x", "Range: bytes=1-2"), "416": n.get("h", "/x", "Range: bytes=99-"), "412": n.get("h", "/x", `If-Match: "no"`),
		"404": n.get("h", "/none"), "404 of head": n.do("HEAD", "/none", "h", nil),
		"api": n.api("GET", "/v1/objects/h/x", nil), "api 404": n.api("GET", "/v1/objects/h/none", nil),
		"version": n.api("GET", "/v1/objects/h/x?version="+fmt.Sprint(doc.Version), nil), "version 404": n.api("GET", "/v1/objects/h/x?version=999", nil),
	} {
		if a.epoch(t) != first || a.header.Get("Tiercache-Lease") != "live" {
			t.Errorf("%s: %d, epoch %d, lease %q", what, a.status, a.epoch(t), a.header.Get("Tiercache-Lease"))
		}
	}
	for what, a := range map[string]answer{"400": n.get("h", "/a/../%"), "405": n.do("POST", "/x", "h", nil), "401": n.do("GET", "/v1/objects/h/x", n.addr, nil)} {
		if a.epoch(t) != 0 || a.header.Get("Tiercache-Lease") != "" {
			t.Errorf("%s: %d, %v", what, a.status, a.header)
		}
	}
	again := n.put("h/x", "0123456789")
	again.want(t, "the same again", 200, `"unchanged":true`)
	if again.epoch(t) != first {
		t.Errorf("the same again: epoch %d", again.epoch(t))
	}
	gone := n.api("DELETE", "/v1/objects/h/x", nil)
	if gone.status != 204 || gone.epoch(t) != first+1 {
		t.Errorf("delete: %d, epoch %d after %d", gone.status, gone.epoch(t), first)
	}
	if a := n.get("h", "/x"); a.status != 404 || a.epoch(t) != first+1 {
		t.Errorf("after the delete: %d, epoch %d", a.status, a.epoch(t))
	}
}

// A write is told as done although nobody could give it an epoch; readers wait for that.
func TestEpoch_OfAWriteThatIsNotSequencedYet(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", "old")
	release := testkit.Hold(t, n.url, "SELECT FROM tiercache.sequence()")
	put := n.put("h/x?wait=1s", "new")
	var doc api.Written
	if err := json.Unmarshal([]byte(put.body), &doc); err != nil || doc.Epoch != nil || put.epoch(t) != 0 {
		t.Errorf("got %s, epoch %d", put.body, put.epoch(t))
	}
	put.want(t, "the put", 200, `"epoch":null,"note":"the write is committed`)
	if doc.Receipt == nil || doc.Receipt.State != "pending" || doc.Receipt.Note == "" {
		t.Errorf("receipt %+v", doc.Receipt)
	}
	if a := n.get("h", "/x"); a.status != 504 || a.epoch(t) != 0 {
		t.Errorf("a read meanwhile: %d %s, epoch %d", a.status, a.body, a.epoch(t))
	}
	release()
	if a := n.get("h", "/x"); a.status != 200 || a.body != "new" || a.epoch(t) == 0 {
		t.Errorf("a read afterwards: %d %s, epoch %d", a.status, a.body, a.epoch(t))
	}
}

// receiver is what the origin knows of control: the endpoint for receipts.
type receiver struct {
	*httptest.Server
	secret string
	answer func(w http.ResponseWriter, r *http.Request)
	asked  atomic.Int64
}

func startReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	c := &receiver{secret: "the fleet's secret", answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		if r.URL.Path != "/v1/node/receipts" || r.Header.Get("Tiercache-Tier") != c.secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.answer(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// settings make a node that asks this control.
func (c *receiver) settings(t *testing.T) settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tier.token")
	if err := os.WriteFile(file, []byte(c.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return settings{config: func(cfg *origin.Config) { cfg.ControlURL, cfg.TierTokenFile = c.URL+"/", file }}
}

func TestWait_TellsWhoHasAppliedTheWrite(t *testing.T) {
	state := "complete"
	c := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"epoch":%s,"state":%q,"nodes":[{"node":"edge-1","tier":"edge","region":"r1","state":"applied","ms":4},{"node":%q,"state":"fenced"}]}`,
			r.URL.Query().Get("epoch"), state, r.URL.Query().Get("wait"))
	})
	n := startNode(t, c.settings(t))
	put := n.put("h/x?wait=50s", "x")
	var doc api.Written
	if err := json.Unmarshal([]byte(put.body), &doc); err != nil {
		t.Fatal(err)
	}
	want := []api.NodeReceipt{{Node: "edge-1", Tier: "edge", Region: "r1", State: "applied", MS: 4}, {Node: doc.Receipt.Nodes[1].Node, State: "fenced"}}
	if asked := doc.Receipt.Nodes[1].Node; !within(t, asked, 30*time.Second, 50*time.Second-100*time.Millisecond) {
		t.Errorf("control was asked to wait %s", asked)
	}
	if put.status != 201 || !doc.Receipt.Complete() || doc.Receipt.Epoch != put.epoch(t) || fmt.Sprint(doc.Receipt.Nodes) != fmt.Sprint(want) {
		t.Errorf("put: %d %s", put.status, put.body)
	}
	state = "pending"
	n.put("h/x?wait=1m", "x").want(t, "the same again", 200, `"state":"pending"`)
	gone := n.api("DELETE", "/v1/objects/h/x?wait=40s", nil)
	var removed api.Removed
	if err := json.Unmarshal([]byte(gone.body), &removed); err != nil || gone.status != 200 || !removed.Deleted || removed.Path != "/x" || *removed.Epoch != gone.epoch(t) || !within(t, removed.Receipt.Nodes[1].Node, 20*time.Second, 40*time.Second-100*time.Millisecond) {
		t.Errorf("delete: %d %s", gone.status, gone.body)
	}
	asked := c.asked.Load()
	n.put("h/x", "y")
	if asked != 3 || c.asked.Load() != 3 {
		t.Errorf("control was asked %d times, then %d", asked, c.asked.Load())
	}
	for _, query := range []string{"?", "?wait", "?wait=", "?wait=2", "?wait=0s", "?wait=-1s", "?wait=61s", "?wait=1s&wait=1s", "?wait=1s&x=1", "?Wait=1s"} {
		target := "/v1/objects/h/x" + query
		if query != "?" { // which http.NewRequest would drop
			n.api("PUT", target, strings.NewReader("z")).want(t, query, 400, "")
		}
		n.api("DELETE", target, nil, "If-Match: nonsense").want(t, "delete "+query, 400, "")
	}
	n.get("h", "/x").want(t, "what is there", 200, "y")
}

func TestWait_IsPendingWhenControlCannotBeAsked(t *testing.T) {
	for what, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"503":           func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		"garbage":       func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"another epoch": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"epoch":1,"state":"complete"}`) },
		"cut":           func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(what, func(t *testing.T) {
			c := startReceiver(t, answer)
			n := startNode(t, c.settings(t))
			n.put("h/x?wait=1s", "x").want(t, "put", 201, `"state":"pending","nodes":[],"note":"control did not answer`)
			if log := n.log.String(); !strings.Contains(log, "no receipts from control") || strings.Contains(log, c.secret) {
				t.Errorf("log: %s", log)
			}
			n.get("h", "/x").want(t, "get", 200, "x")
		})
	}
	n := startNode(t, settings{})
	n.put("h/x?wait=1s", "x").want(t, "without control_url", 201, `"nodes":[],"note":"the origin has no control_url`)
}

// within reports whether a duration is between two others.
func within(t *testing.T, text string, low, top time.Duration) bool {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return low <= d && d <= top
}

func TestWait_ControlThatHangsMakesItNoLonger(t *testing.T) {
	c := startReceiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	n := startNode(t, c.settings(t))
	began := time.Now()
	n.put("h/x?wait=500ms", "x").want(t, "put", 201, `"state":"pending","nodes":[],"note":"control did not answer`)
	if took := time.Since(began); took > 20*time.Second { // of the minute that may be asked for
		t.Errorf("it took %v", took)
	}
}

// Those who wait for receipts hold none of the slots that bodies move in.
func TestWait_HoldsNoSlot(t *testing.T) {
	asked, finish := make(chan struct{}), make(chan struct{})
	c := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-finish
		fmt.Fprintf(w, `{"epoch":%s,"state":"complete","nodes":[]}`, r.URL.Query().Get("epoch"))
	})
	n := startNode(t, c.settings(t))
	done := make(chan answer, 1)
	go func() { done <- n.put("h/x?wait=30s", "x") }()
	<-asked
	n.FillStreams()() // takes them all, or does not return
	close(finish)
	(<-done).want(t, "the put", 201, `"complete"`)
}

func TestTokens_OfTheControlLog(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", "x")
	secrets := map[string]string{}
	change := func(name, roles string, services ...string) controllog.TokenChange {
		if secrets[name] == "" {
			secrets[name] = token.Generate()
		}
		return controllog.TokenChange{ID: name, Name: name, Hash: token.Hash(secrets[name]), Roles: roles, Services: services}
	}
	status := func(method, name string) int {
		return n.do(method, "/v1/objects/h/x", n.addr, strings.NewReader("x"), "Authorization: Bearer "+secrets[name]).status
	}
	n.SetTokens([]controllog.TokenChange{change("reader", "read"), change("writer", "read,write"), change("shop", "read,write", "shop"), change("odd", "root")})
	for _, c := range []struct {
		method, name string
		want         int
	}{
		{"GET", "reader", 200}, {"PUT", "reader", 403}, {"GET", "writer", 200}, {"PUT", "writer", 200},
		{"GET", "shop", 403}, {"PUT", "shop", 403}, {"GET", "odd", 401},
	} {
		if got := status(c.method, c.name); got != c.want {
			t.Errorf("%s by %s: %d, want %d", c.method, c.name, got, c.want)
		}
	}
	if !strings.Contains(n.log.String(), `"odd\"`) && !strings.Contains(n.log.String(), `odd`) {
		t.Errorf("the log does not tell of the odd one: %s", n.log.String())
	}
	revoked := change("writer", "read,write")
	revoked.Revoked = true
	n.SetTokens([]controllog.TokenChange{change("reader", "read"), revoked})
	if got := status("GET", "writer"); got != 401 {
		t.Errorf("a revoked token: %d", got)
	}
	if got := status("GET", "reader"); got != 200 {
		t.Errorf("one that stays: %d", got)
	}
	n.put("h/x", "the admin's stays")
}

// startBus runs a NATS server with credentials and returns a connection for the origin and one for an edge.
func startBus(t *testing.T) (mine, edge *bus.Bus) {
	t.Helper()
	dir, addr := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	if _, err := natsd.GenerateCredentials(dir); err != nil {
		t.Fatal(err)
	}
	server, err := natsd.New(natsd.Config{Listen: addr, Credentials: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, up := make(chan error, 1), make(chan struct{})
	go func() { done <- server.Run(ctx, func() { close(up) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	<-up
	connect := func(role string) *bus.Bus {
		b, err := bus.Connect(ctx, bus.Config{URL: "nats://" + addr, SeedFile: natsd.SeedFile(dir, role), Name: role + "-1", Role: role, Health: runner.NewHealth()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		testkit.Eventually(t, 10*time.Second, func() error {
			if !b.Connected() {
				return errors.New("not connected")
			}
			return nil
		})
		return b
	}
	return connect("origin"), connect("edge")
}

func TestPublish_ReachesTheNodesWithTheReply(t *testing.T) {
	mine, edge := startBus(t)
	heard := make(chan controllog.Entry, 100)
	stop, err := edge.SubscribeLog(func(b []byte) {
		entries, err := controllog.DecodeEntries(b)
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			heard <- e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := edge.Flush(ctx); err != nil { // the server has the subscription
		t.Fatal(err)
	}
	n := startNode(t, settings{origin: func(o *origin.Origin) { o.PublishLog = mine.PublishLog }})
	put := n.put("h.example/a%20b?wait=1s", "x")
	scope := invalidation.URLScope("h.example", "/a%20b", "")
	select {
	case e := <-heard:
		if e.Epoch != put.epoch(t) || e.Prev == 0 || len(e.Scopes) != 1 || e.Scopes[0] != scope || e.Mode != invalidation.Hard {
			t.Errorf("heard %+v, the write has epoch %d", e, put.epoch(t))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not heard")
	}
	mine.Close() // what cannot be sent is counted, and the write is none the worse
	if a := n.put("h.example/a%20b", "y"); a.epoch(t) == 0 {
		t.Error("no epoch without the bus")
	}
	for _, want := range []string{`tiercache_origin_log_messages_total{result="sent"} 1`, `tiercache_origin_log_messages_total{result="failed"} 1`,
		`tiercache_origin_sequenced_entries_total 2`, `tiercache_origin_sequence_failures_total 0`} {
		if m := metricsOf(t, n); !strings.Contains(m, want) {
			t.Errorf("no %s", want)
		}
	}
}

// Large entries go out as hints, many entries in several messages.
func TestPublish_KeepsMessagesSmall(t *testing.T) {
	var messages [][]byte
	n := startNode(t, settings{})
	n.PublishLog = func(b []byte) error { messages = append(messages, b); return nil }
	body := func(tags int) []byte {
		names := make([]string, tags)
		for i := range names {
			names[i] = fmt.Sprintf(`"t%d"`, i)
		}
		return []byte(`{"tags":[` + strings.Join(names, ",") + `]}`)
	}
	var rows []controllog.Row
	for i := range uint64(60) {
		tags := 1000 // 16 bytes each
		if i == 30 {
			tags = controllog.MaxScopes + 0
		}
		rows = append(rows, controllog.Row{Epoch: 101 + i, Prev: 100 + i, Time: time.UnixMilli(1), ID: fmt.Sprint(i), Kind: "purge", Body: body(tags)})
	}
	rows = append(rows, controllog.Row{Epoch: 161, Prev: 160, Time: time.UnixMilli(1), ID: "bad", Kind: "purge", Body: []byte("{")})
	n.Publish(rows)
	var entries []controllog.Entry
	for _, m := range messages {
		if len(m) > 512<<10 {
			t.Errorf("a message has %d bytes", len(m))
		}
		decoded, err := controllog.DecodeEntries(m)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, decoded...)
	}
	if len(messages) < 3 || len(entries) != 61 {
		t.Fatalf("%d messages, %d entries", len(messages), len(entries))
	}
	for i, e := range entries {
		if e.Epoch != uint64(101+i) || e.Hint != (i == 30) {
			t.Errorf("entry %d: epoch %d, hint %v", i, e.Epoch, e.Hint)
		}
	}
	last := entries[60]
	if len(last.Scopes) != 1 || last.Scopes[0] != invalidation.AllScope() || !strings.Contains(n.log.String(), "malformed") {
		t.Errorf("what cannot be read must purge everything: %+v", last)
	}
}
