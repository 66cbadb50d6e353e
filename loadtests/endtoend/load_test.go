package endtoend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	loadHost = "Host: load.example.test"
	// hitPause and missPause are between the requests of one client.
	hitPause  = 4 * time.Millisecond
	missPause = 15 * time.Millisecond
	hitters   = 2
	missers   = 3
	// slowestMiss is how long a miss may take while a part is away and the machine is busy.
	slowestMiss = 15 * time.Second
)

// loadObjects are stored for the load: small ones, and one of several segments.
func loadObjects() map[string][]byte {
	objects := map[string][]byte{"/load/large.bin": pattern(2*segment+999, 99)}
	for i := range 9 {
		objects[fmt.Sprintf("/load/%d.bin", i)] = pattern(2_000+i, uint64(i))
	}
	return objects
}

// load asks an edge for hits and for misses, at a steady pace, and compares every body.
type load struct {
	edge    string
	objects map[string][]byte
	paths   []string
	cancel  context.CancelFunc
	clients sync.WaitGroup

	mu struct {
		sync.Mutex
		tally
	}
}

// tally is what the load has seen since it was last reset.
type tally struct {
	hits, misses int
	missed       map[string]int // misses by how they went: a status, "cut" or "no reply"
	slowest      time.Duration  // miss
	wrong        []string       // hits that were not served from the edge's memory, and wrong bodies
}

func (y tally) String() string {
	var went []string
	for _, how := range slices.Sorted(maps.Keys(y.missed)) {
		went = append(went, fmt.Sprintf("%s: %d", how, y.missed[how]))
	}
	return fmt.Sprintf("%d hits, %d misses (%s), the slowest %v", y.hits, y.misses, strings.Join(went, ", "), y.slowest.Round(time.Millisecond))
}

// startLoad warms the edge up and begins.
func startLoad(t *testing.T, u *up) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{edge: u.edge(1), objects: loadObjects(), cancel: cancel}
	l.paths = slices.Sorted(maps.Keys(l.objects))
	for _, path := range l.paths {
		same(t, path, get(t, l.edge+path, loadHost).body, l.objects[path])
		get(t, l.edge+path, loadHost).saysThat(t, "edge-1; hit")
	}
	l.reset()
	for i := range hitters {
		l.clients.Go(func() { l.repeat(ctx, hitPause, i, l.hit) })
	}
	for i := range missers {
		l.clients.Go(func() { l.repeat(ctx, missPause, i, l.miss) })
	}
	t.Cleanup(l.stop)
	return l
}

// stop ends the load and waits for its clients.
func (l *load) stop() {
	l.cancel()
	l.clients.Wait()
}

// reset begins a new tally and returns the old one.
func (l *load) reset() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.mu.tally
	l.mu.tally = tally{missed: map[string]int{}}
	return old
}

// seen says how many hits and misses there were since the last reset.
func (l *load) seen() (hits, misses int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.hits, l.mu.misses
}

// repeat is one client with connections of its own.
func (l *load) repeat(ctx context.Context, pause time.Duration, number int, ask func(*http.Client, int, string)) {
	client := newClient()
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for i := number; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			ask(client, i, l.paths[i%len(l.paths)])
		}
	}
}

// hit wants an object from the edge's memory.
func (l *load) hit(client *http.Client, _ int, path string) {
	got, err := request{url: l.edge + path, fields: []string{loadHost}}.send(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.hits++
	if err != nil || got.status != http.StatusOK || !got.says("edge-1; hit") || !bytes.Equal(got.body, l.objects[path]) {
		l.wrong("hit on %s: %d, %d bytes, %s, %v", path, got.status, len(got.body), got.cacheStatus(), err)
	}
}

// miss asks for an object under a name that nobody has asked for before: the origin ignores queries, for
// caches each makes another key.
func (l *load) miss(client *http.Client, i int, path string) {
	if path == "/load/large.bin" && i%4 != 0 { // or L1 would be full of it
		path = l.paths[0]
	}
	began := time.Now()
	got, err := request{url: fmt.Sprintf("%s%s?%d", l.edge, path, began.UnixNano()), fields: []string{loadHost}}.send(client)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.misses++
	l.mu.slowest = max(l.mu.slowest, took)
	how := fmt.Sprint(got.status)
	switch {
	case errors.Is(err, errCut):
		how = "cut"
	case err != nil:
		how = "no reply"
		l.wrong("miss on %s: %v", path, err)
	case got.status == http.StatusOK && !bytes.Equal(got.body, l.objects[path]):
		l.wrong("miss on %s: %d bytes that are not the object (%s)", path, len(got.body), got.cacheStatus())
	}
	l.mu.missed[how]++
}

// wrong keeps the first lines. The lock is held.
func (l *load) wrong(format string, args ...any) {
	if len(l.mu.tally.wrong) < 10 {
		l.mu.tally.wrong = append(l.mu.tally.wrong, fmt.Sprintf(format, args...))
	}
}
