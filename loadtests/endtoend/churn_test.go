package endtoend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

const (
	churnHost    = "www.example.test"
	churnL1      = 64 << 20
	churnClients = 4
	// churnLimit is what an edge with that L1 may take at any moment, in bytes.
	churnLimit = churnL1*13/10 + 40<<20
)

// churnSize is the size of an object: from 200 bytes to 6 MiB, small ones more often.
func churnSize(object uint64) int {
	random := rand.New(rand.NewPCG(object, 1))
	return 200 << random.IntN(1+random.IntN(15)) * (100 + random.IntN(100)) / 100
}

// churnSite serves objects of all sizes, which may be stored: /N begins with N and goes on with zeros.
func churnSite(t *testing.T) *httptest.Server {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		object, err := strconv.ParseUint(r.URL.Path[1:], 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		body := make([]byte, churnSize(object))
		copy(body, r.URL.Path)
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // the edge may have given up
	}))
	t.Cleanup(site.Close)
	return site
}

// churner is one client, who wants popular objects again and again, and others once.
type churner struct {
	url    string
	random *rand.Rand
	*churned
}

// churned is what all clients have counted. A body is cut when its segments are evicted while it is read.
type churned struct{ requests, hits, cut atomic.Int64 }

// run asks until ctx ends, and returns what was wrong.
func (c churner) run(ctx context.Context) error {
	popular := rand.NewZipf(c.random, 1.1, 10, 100_000)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		object := popular.Uint64()
		if c.random.IntN(3) == 0 {
			object = c.random.Uint64()
		}
		if err := c.ask(ctx, client, object); err != nil && ctx.Err() == nil {
			return fmt.Errorf("object %d of %d bytes: %w", object, churnSize(object), err)
		}
	}
	return nil
}

var hitPattern = regexp.MustCompile(`edge-1; hit`)

func (c churner) ask(ctx context.Context, client *http.Client, object uint64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%d", c.url, object), nil)
	if err != nil {
		return err
	}
	r.Host = churnHost
	reply, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }() // it was read, or the exchange has failed
	want := fmt.Sprintf("/%d", object)
	begin := make([]byte, len(want))
	_, err = io.ReadFull(reply.Body, begin)
	if err == nil && string(begin) != want {
		return fmt.Errorf("status %d, body begins with %q", reply.StatusCode, begin)
	}
	n, err2 := io.Copy(io.Discard, reply.Body)
	if err = errors.Join(err, err2); errors.Is(err, io.ErrUnexpectedEOF) {
		c.cut.Add(1)
		return nil
	}
	if err != nil || int(n)+len(want) != churnSize(object) {
		return fmt.Errorf("%d bytes: %w", int(n)+len(want), err)
	}
	c.requests.Add(1)
	if hitPattern.MatchString(reply.Header.Get("Cache-Status")) {
		c.hits.Add(1)
	}
	return nil
}

// TestChurn keeps an edge busy with objects of all sizes, far more than it can hold, and wants its memory to stay near
// its budget at every moment. TIERCACHE_CHURN is for how long; `make test-churn` takes ten minutes.
func TestChurn(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TIERCACHE_CHURN"))
	if err != nil {
		t.Skip("make test-churn")
	}
	config := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "services:\n  - name: site\n    hosts: [%s]\n    upstream: %s\n", churnHost, churnSite(t).URL), 0o644); err != nil {
		t.Fatal(err)
	}
	port := testkit.FreePort(t)
	edge := launch(t, environment(), program, "edge", "--config", config, "--listen", "127.0.0.1:"+strconv.Itoa(port), "--l1-size", strconv.Itoa(churnL1))
	testkit.Eventually(t, readyTimeout, func() error { return lacksNothing(fmt.Sprintf("http://127.0.0.1:%d", port+adminDistance)) })

	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all churned
	var clients sync.WaitGroup
	for i := range churnClients {
		clients.Go(func() {
			c := churner{fmt.Sprintf("http://127.0.0.1:%d", port), rand.New(rand.NewPCG(7, uint64(i))), &all}
			if err := c.run(ctx); err != nil {
				t.Error(err)
				cancel()
			}
		})
	}
	peak, samples := watchResident(ctx, t, edge.Pid())
	clients.Wait()
	const mib = 1 << 20
	t.Logf("%v, %d requests, %.1f %% hits, %d cut: %d MiB resident at most in %d samples, %d MiB at the end; the budget is %d MiB, the limit %d MiB", length, all.requests.Load(),
		100*float64(all.hits.Load())/float64(max(all.requests.Load(), 1)), all.cut.Load(), peak/mib, samples, residentSize(t, edge.Pid())/mib, churnL1/mib, churnLimit/mib)
	if peak > churnLimit || peak < churnL1/2 {
		t.Errorf("%d MiB resident, want at most %d, and that L1 was filled", peak/mib, churnLimit/mib)
	}
	if all.hits.Load() == 0 || all.cut.Load() > all.requests.Load()/20 {
		t.Errorf("%d hits and %d cut of %d requests", all.hits.Load(), all.cut.Load(), all.requests.Load())
	}
	edge.stop(t, syscall.SIGTERM)
}

// watchResident returns the most that a process had resident until ctx ended, of several samples a second.
func watchResident(ctx context.Context, t *testing.T, pid int) (peak int64, samples int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return peak, samples
		case <-tick.C:
			peak, samples = max(peak, residentSize(t, pid)), samples+1
		}
	}
}
