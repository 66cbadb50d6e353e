package peers

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

// holding is a node that holds requests until it is let go, and pings as long as it is frozen.
type holding struct {
	*httptest.Server
	asked  chan struct{} // a request has come
	letGo  chan struct{}
	frozen atomic.Bool
	pinged atomic.Int64
}

func startHolding(t *testing.T) *holding {
	t.Helper()
	h := &holding{asked: make(chan struct{}, 10), letGo: make(chan struct{})}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && !h.frozen.Load() {
			h.pinged.Add(1)
			return
		}
		if r.Method != http.MethodOptions {
			h.asked <- struct{}{}
		}
		select {
		case <-h.letGo:
			fmt.Fprint(w, "late")
		case <-r.Context().Done():
		}
	}))
	h.Config.DisableGeneralOptionsHandler = true // net/http would answer pings by itself
	h.Start()
	t.Cleanup(h.Close)
	return h
}

// watched opens peers that ping more often than they would, and runs them.
func watched(t *testing.T, cfg Config, within time.Duration) *Peers {
	t.Helper()
	p, _ := open(t, cfg)
	p.pings = pings{every: 10 * time.Millisecond, within: within}
	testkit.Start(t, p.Run)
	return p
}

// eventually asks in the background.
func eventually(t *testing.T, p *Peers, r *proxy.Request) <-chan string {
	got := make(chan string, 1)
	go func() {
		body, err := ask(t, p, r)
		got <- fmt.Sprint(body, err)
	}()
	return got
}

// The service's timeout of a minute is not waited for: who knows that a node is silent asks elsewhere.
func TestPeers_RequestsThatWaitForASilentNodeAreAskedElsewhere(t *testing.T) {
	h := startHolding(t)
	h.frozen.Store(true)
	p := watched(t, Config{Regionals: []string{h.URL}, Origin: answering(t, "origin").URL}, 100*time.Millisecond)
	got := make(chan string, 1)
	go func() {
		response, err := p.Fetch(t.Context(), toOrigin, get(1))
		if err != nil {
			got <- err.Error()
			return
		}
		response.Body.Close()
		got <- response.Header.Value("Content-Length")
	}()
	select {
	case body := <-got:
		if body != fmt.Sprint(len("origin")) {
			t.Errorf("got %q", body)
		}
	case <-time.After(20 * time.Second):
		t.Error("a request waits for a node that answers nobody")
	}
}

// With nobody else to ask it fails, with an error that lets stale-if-error apply.
func TestPeers_NobodyElseToAskIsUnreachable(t *testing.T) {
	h := startHolding(t)
	h.frozen.Store(true)
	p := watched(t, Config{Regionals: []string{h.URL}}, 100*time.Millisecond)
	done := make(chan error, 2)
	go func() {
		_, err := p.Fetch(t.Context(), toOrigin, get(1)) // before anybody knows
		done <- err
		_, err = p.Fetch(t.Context(), toOrigin, get(2)) // while it is known
		done <- err
	}()
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, proxy.ErrUnreachable) {
				t.Errorf("%v, want ErrUnreachable", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a request waits for a node that answers nobody")
		}
	}
}

// A node that answers pings waits for its own upstream: it has the service's time.
func TestPeers_ANodeThatIsSlowIsNotGivenUp(t *testing.T) {
	h := startHolding(t)
	p := watched(t, Config{Regionals: []string{h.URL}, Origin: answering(t, "origin").URL}, 10*time.Second)
	got := eventually(t, p, get(1))
	<-h.asked
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := h.pinged.Load(); n < 10 {
			return fmt.Errorf("%d pings", n)
		}
		return nil
	})
	close(h.letGo)
	if body := <-got; body != "late<nil>" {
		t.Errorf("got %q", body)
	}
}

// A node that stops takes no new connections and still answers what it was asked: refused pings give up nothing.
func TestPeers_ANodeThatStopsAnswersWhatItWasAsked(t *testing.T) {
	h := startHolding(t)
	p, _ := open(t, Config{Regionals: []string{h.URL}, Origin: answering(t, "origin").URL})
	p.pings = pings{every: 10 * time.Millisecond, within: 10 * time.Second}
	got := eventually(t, p, get(1))
	<-h.asked
	h.Listener.Close()
	testkit.Start(t, p.Run)
	refused := map[int64]bool{}
	testkit.Eventually(t, 10*time.Second, func() error {
		if refused[p.nodes[0].downUntil.Load()] = true; len(refused) < 6 {
			return fmt.Errorf("%d pings", len(refused)-1)
		}
		return nil
	})
	close(h.letGo)
	if body := <-got; body != "late<nil>" {
		t.Errorf("got %q", body)
	}
}
