package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
	"tiercache/shared/proxy/tier"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// toOrigin has a timeout that no test waits for.
var toOrigin = &policy.Match{Service: policy.Service{Name: "s", Upstream: policy.UpstreamOrigin, Timeout: time.Minute}}

// answering starts a node that answers with its name.
func answering(t *testing.T, name string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	return server
}

// silent is the URL of a node that refuses connections.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func open(t *testing.T, cfg Config) (*Peers, *runner.Health) {
	t.Helper()
	tiers, foreigners, health := tier.New("secret"), foreign.New(), runner.NewHealth()
	t.Cleanup(tiers.Close)
	t.Cleanup(foreigners.Close)
	cfg.Region = "r1"
	p, err := New(cfg, tiers, foreigners, health.Component("regional", false))
	if err != nil {
		t.Fatal(err)
	}
	return p, health
}

func digest(i int) (d [16]byte) {
	binary.LittleEndian.PutUint64(d[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(d[8:], uint64(i)*0xd6e8feb86659fd93+1)
	return d
}

func get(i int) *proxy.Request {
	return &proxy.Request{Method: "GET", Host: "h", Target: "/", Digest: digest(i)}
}

func ask(t *testing.T, p *Peers, r *proxy.Request) (string, error) {
	t.Helper()
	response, err := p.Fetch(t.Context(), toOrigin, r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestPeers_KeysHaveOwnersAndSpread(t *testing.T) {
	nodes := []string{"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"}
	all, _ := open(t, Config{Regionals: nodes})
	fewer, _ := open(t, Config{Regionals: nodes[:2]})
	owned, moved := map[string]int{}, 0
	const keys = 9000
	for i := range keys {
		up, _ := all.order(digest(i))
		rest, _ := fewer.order(digest(i))
		owned[up[0].addr]++
		if up[0].addr != rest[0].addr {
			moved++
			if up[0].addr != "127.0.0.1:3" {
				t.Fatalf("key %d moved although its owner stayed", i)
			}
		}
	}
	for addr, n := range owned {
		if n < keys/3-keys/20 || n > keys/3+keys/20 {
			t.Errorf("%s owns %d of %d keys", addr, n, keys)
		}
	}
	if moved != owned["127.0.0.1:3"] {
		t.Errorf("%d keys moved, the third node owned %d", moved, owned["127.0.0.1:3"])
	}
}

func TestPeers_OwnRegionThenOthersThenOrigin(t *testing.T) {
	own, other, origin := answering(t, "own"), answering(t, "other"), answering(t, "origin")
	p, health := open(t, Config{Regionals: []string{own.URL, "r2=" + other.URL}, Origin: origin.URL})
	for _, step := range []struct {
		want  string
		after func()
	}{{"own", own.Close}, {"other", other.Close}, {"origin", func() {}}} {
		for i := range 20 {
			if got, err := ask(t, p, get(i)); got != step.want || err != nil {
				t.Fatalf("got %q, %v; want %s", got, err, step.want)
			}
		}
		step.after()
	}
	if r := health.Report(); !r.Ready || r.Components["regional"].OK {
		t.Errorf("health: %+v", r)
	}
}

func TestPeers_ANodeThatReturnsIsAskedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	origin := answering(t, "origin")
	p, _ := open(t, Config{Regionals: []string{"http://" + addr}, Origin: origin.URL})
	now := time.Now()
	p.now = func() time.Time { return now }
	for range 5 {
		if got, err := ask(t, p, get(1)); got != "origin" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		now = now.Add(lastBackoff + time.Millisecond)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "back") })}
	go server.Serve(l)
	defer server.Close()
	now = now.Add(lastBackoff)
	if got, err := ask(t, p, get(1)); got != "back" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPeers_DirectIsCapped(t *testing.T) {
	hold := make(chan struct{})
	asked := make(chan struct{}, 10)
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-hold
	}))
	defer origin.Close()
	defer close(hold)
	p, _ := open(t, Config{Regionals: []string{silent(t)}, Origin: origin.URL, DirectCap: 1})
	go func() { _, _ = ask(t, p, get(1)) }()
	<-asked
	if _, err := ask(t, p, get(2)); !errors.Is(err, proxy.ErrBusy) && !errors.Is(err, proxy.ErrUnreachable) {
		t.Fatalf("%v, want ErrBusy", err)
	}
	if n := p.Stats().Direct.Load(); n != 1 {
		t.Errorf("%d requests went to the origin, the cap is 1", n)
	}
}

// An edge by itself in front of a site has max_fills for that.
func TestPeers_WithoutRegionalNodesNothingIsCappedHere(t *testing.T) {
	hold := make(chan struct{})
	asked := make(chan struct{}, 10)
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-hold
	}))
	defer origin.Close()
	p, _ := open(t, Config{Origin: origin.URL, DirectCap: 1})
	answers := make(chan error, 3)
	for i := range cap(answers) {
		go func() {
			_, err := ask(t, p, get(i))
			answers <- err
		}()
	}
	for range cap(answers) {
		select {
		case <-asked:
		case err := <-answers:
			t.Fatal(err)
		}
	}
	close(hold)
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestPeers_AWriteIsNotSentTwice(t *testing.T) {
	seen := 0
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen++
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}))
	defer half.Close()
	second := answering(t, "second")
	p, _ := open(t, Config{Regionals: []string{half.URL, "r2=" + second.URL}})
	r := get(1)
	r.Method, r.Body, r.Length = "POST", strings.NewReader("x"), 1
	if got, err := ask(t, p, r); err == nil {
		t.Fatalf("a POST that may have been done was sent again, to %s", got)
	}
	p.nodes[0].answered()
	r = get(1)
	r.Method = "DELETE" // without a body, so that only the rule keeps it from being sent again
	if got, err := ask(t, p, r); err == nil {
		t.Fatalf("a DELETE that may have been done was sent again, to %s", got)
	}
	p.nodes[0].answered()
	if got, err := ask(t, p, get(1)); got != "second" || err != nil {
		t.Fatalf("a GET was not: %q, %v", got, err)
	}
	// Where no connection came about nothing was sent, so a POST may go on.
	q, _ := open(t, Config{Regionals: []string{silent(t), "r2=" + second.URL}})
	r = get(1)
	r.Method, r.Body, r.Length = "POST", strings.NewReader("x"), 1
	if got, err := ask(t, q, r); got != "second" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPeers_NothingConfigured(t *testing.T) {
	p, _ := open(t, Config{})
	if _, err := ask(t, p, get(1)); !errors.Is(err, ErrNoUpstream) || !errors.Is(err, proxy.ErrUnreachable) {
		t.Fatalf("%v", err)
	}
}

func TestPeers_ContextEndsTheSearch(t *testing.T) {
	p, _ := open(t, Config{Regionals: []string{silent(t)}, Origin: answering(t, "origin").URL})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Fetch(ctx, toOrigin, get(1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
}

func TestNew_RefusesBadAddresses(t *testing.T) {
	for _, cfg := range []Config{{Regionals: []string{"127.0.0.1:1"}}, {Regionals: []string{"r2=ftp://x"}}, {Origin: "x"}, {DirectCap: -1}} {
		if _, err := New(cfg, nil, nil, runner.NewHealth().Component("regional", false)); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestNode_FailuresAtOnceAreOne(t *testing.T) {
	n, now := &node{}, time.Now()
	for range 10 {
		n.failed(now)
	}
	if n.down(now.Add(firstBackoff)) {
		t.Error("ten requests that failed at once made the pause longer")
	}
	n.failed(now.Add(firstBackoff))
	if !n.down(now.Add(2*firstBackoff)) || n.down(now.Add(3*firstBackoff)) {
		t.Error("the second failure in a row does not double the pause")
	}
}

func TestPeers_ANodeThatHangsIsPassedOverUntilItAnswers(t *testing.T) {
	hold := make(chan struct{})
	hangs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select { // accepts, and does not answer until it is let go
		case <-hold:
			fmt.Fprint(w, "regional")
		case <-r.Context().Done():
		}
	}))
	hangs.Config.DisableGeneralOptionsHandler = true // net/http would answer the ping by itself
	hangs.Start()
	defer hangs.Close()
	p, health := open(t, Config{Regionals: []string{hangs.URL}, Origin: answering(t, "origin").URL})
	testkit.Start(t, p.Run)
	ok := func() bool { return health.Report().Components["regional"].OK }
	testkit.Eventually(t, 10*time.Second, func() error {
		if ok() {
			return errors.New("nobody has noticed that the node hangs")
		}
		return nil
	})
	for i := range 5 {
		if got, err := ask(t, p, get(i)); got != "origin" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	close(hold)
	testkit.Eventually(t, 10*time.Second, func() error {
		if !ok() {
			return errors.New("nobody has noticed that the node is back")
		}
		return nil
	})
	if got, err := ask(t, p, get(1)); got != "regional" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}
