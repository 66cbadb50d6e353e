package simulation

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/loadtests/history"
	"tiercache/shared/httpcache"
)

// surfer is a client. One with a jar keeps the highest epoch that it was given and sends it along.
type surfer struct {
	world *world
	name  string
	draw  *chance
	ep    *endpoint
	jar   bool
	token atomic.Uint64
}

func (w *world) newSurfer(name string) *surfer {
	draw := newChance(w.seed, name)
	return &surfer{world: w, name: name, draw: draw, ep: newEndpoint(name, pick(draw, []string{"r1", "r2"})), jar: draw.in(50)}
}

// surf reads pages at one edge and another, without waiting for one answer before it asks for more.
func (s *surfer) surf(ctx context.Context) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for range readsEach {
		if sleep(ctx, s.draw.between(0, 2*operation/readsEach)) != nil {
			return
		}
		page := pick(s.draw, s.world.pages)
		if s.draw.in(40) {
			page = s.world.pages[s.draw.below(4)] // hot
		}
		query := ""
		if page.query && s.draw.in(60) {
			query = "?q=" + strconv.Itoa(s.draw.below(2))
		}
		node := pick(s.draw, s.world.edges())
		if s.draw.in(15) {
			node = pick(s.draw, s.world.nodes) // who asks a regional node itself is promised the same
		}
		asked.Add(1)
		s.world.crew.do(func() {
			defer asked.Done()
			s.get(ctx, node, page, query)
		})
	}
}

// linger reads on until the faults have ended: nodes that come back late are to be seen too.
func (s *surfer) linger(ctx context.Context) {
	var asked sync.WaitGroup
	defer asked.Wait()
	if sleep(ctx, operation) != nil {
		return
	}
	for sleep(ctx, s.draw.between(0, 200*time.Millisecond)) == nil {
		node, page := pick(s.draw, s.world.nodes), pick(s.draw, s.world.pages)
		asked.Add(1)
		s.world.crew.do(func() {
			defer asked.Done()
			s.get(s.world.base, node, page, "")
		})
	}
}

// clientTime is how long a client waits.
const clientTime = 12 * time.Second

// get reads a page and records what came.
func (s *surfer) get(ctx context.Context, edge *node, page *resource, query string) {
	w := s.world
	to := edge.process()
	if to == nil || !to.ready.Load() {
		return
	}
	d := &history.Read{Client: s.name, Node: edge.name, Page: page.page(), Query: query, Start: time.Now(), Applied: to.follower.Applied()}
	d.Alone, d.Settled = to.isAlone(), to.follower.AppliedAt(edge.clock.now().Add(-upstreamLag))
	r := &request{method: "GET", host: page.host, target: page.path + query}
	if token := s.token.Load(); s.jar && token > 0 {
		d.Token = token
		r.header = append(r.header, httpcache.Field{Name: "Tiercache-Min-Epoch", Value: strconv.FormatUint(token, 10)})
	}
	answer, err := w.send(within(ctx, clientTime), s.ep, to.ep, to.serve, r)
	if err != nil {
		return
	}
	body := answer.body(ctx, s.ep, to.ep, clientTime, r.method)
	content, err := io.ReadAll(body)
	_ = body.Close() // it only stops the sender
	d.End, d.Known = time.Now(), to.follower.Applied()
	d.CacheStatus = answer.header.Value("Cache-Status")
	for v := range answer.header.Values("Cache-Status") {
		d.CacheStatus = v
	}
	d.Stamp, _ = strconv.ParseUint(answer.header.Value("Tiercache-Epoch"), 10, 64)
	if err != nil || answer.status != 200 {
		w.record.note("%s GET %s%s%s at %s: %d %v %s", s.name, page.name, query, withToken(d.Token), edge.name, answer.status, err, d.CacheStatus)
		return
	}
	d.Version = versionIn(string(content), page)
	d.Disconnected = strings.Contains(d.CacheStatus, "disconnected")
	d.Stale = strings.Contains(d.CacheStatus, "stale-if-error") || strings.Contains(d.CacheStatus, "ttl=-") || strings.Contains(d.CacheStatus, "ttl=0")
	s.keep(d.Stamp)
	w.record.note("%s GET %s%s%s at %s, applied %d, since %v: version %d, stamp %d, %s", s.name, page.name, query, withToken(d.Token), edge.name, d.Applied, w.since(d.Start), d.Version, d.Stamp, d.CacheStatus)
	w.record.addRead(d)
}

// keep puts an epoch into the jar.
func (s *surfer) keep(epoch uint64) {
	for {
		token := s.token.Load()
		if epoch <= token || s.token.CompareAndSwap(token, epoch) {
			return
		}
	}
}

func withToken(token uint64) string {
	if token == 0 {
		return ""
	}
	return fmt.Sprintf(" with token %d", token)
}

// since is a moment as the history writes it.
func (w *world) since(at time.Time) time.Duration { return at.Sub(w.record.start) }

// versionIn reads the version out of a body; -1 for what is none of the page's.
func versionIn(content string, page *resource) int {
	number, ok := strings.CutPrefix(content, page.name+"=")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return -1
	}
	return n
}
