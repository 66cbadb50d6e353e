package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	control "tiercache/control/client"
	"tiercache/origin/client"
)

const (
	host         = "drill.example.test"
	probeObject  = "/probe"
	writerPause  = 40 * time.Millisecond
	purgerPause  = 150 * time.Millisecond
	readerPause  = 5 * time.Millisecond
	requestLimit = 20 * time.Second
	// maxReads bounds the history: a day of it would not fit.
	maxReads = 2_000_000
)

// object is one that is written again and again, each time with the next version.
type object struct {
	number int
	path   string
	size   int // of its body, beside the version
	writes []write
	// restored is the version that the restored database has; 0: none.
	restored int64
}

// write is one that was begun. What failed may have happened.
type write struct {
	version      int64
	begun, acked time.Time // acked is zero when it failed
	settled      time.Time // when all receipts were there; zero: never
	epoch        uint64
}

// read is one that was answered.
type read struct {
	object       int
	edge         int
	begun, ended time.Time
	version      int64
	status       string // Cache-Status
}

func (r *read) marked() bool { return strings.Contains(r.status, "disconnected") }
func (r *read) hit() bool    { return strings.Contains(r.status, "; hit") }

// load is what clients do, and all that they have seen.
type load struct {
	cfg     *Config
	fleet   *fleet
	origin  *client.Client
	http    *http.Client
	gate    *gate
	objects []*object

	mu struct {
		sync.Mutex // guards the objects' writes too
		reads      []read
		purges     []write
		failures   int
	}
}

// gate holds writers up while it is closed: all, or those of every other object.
type gate struct{ all, odd atomic.Bool }

func (g *gate) closed(number int) bool { return g.all.Load() || number%2 == 1 && g.odd.Load() }

func (g *gate) open() {
	g.all.Store(false)
	g.odd.Store(false)
}

func newLoad(f *fleet, cfg *Config) (*load, error) {
	origin, err := client.New(f.url(originPort), f.token, cfg.Objects+2)
	if err != nil {
		return nil, err
	}
	l := &load{cfg: cfg, fleet: f, origin: origin, gate: &gate{}, http: &http.Client{
		Timeout: requestLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * cfg.Readers, DisableCompression: true},
	}}
	for i := range cfg.Objects {
		o := &object{number: i, path: fmt.Sprintf("/%d", i), size: 20}
		if i%4 == 3 {
			o.size = 300 << 10 // in segments
		}
		l.objects = append(l.objects, o)
	}
	return l, nil
}

func (l *load) close() {
	l.origin.Close()
	l.http.CloseIdleConnections()
}

// during runs the load until work is done.
func (l *load) during(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for i, o := range l.objects {
		all.Go(func() { l.writer(ctx, o, i) })
	}
	all.Go(func() { l.purger(ctx) })
	for edge := range edges {
		for i := range l.cfg.Readers {
			all.Go(func() { l.reader(ctx, edge, i) })
		}
	}
	err := work(ctx)
	cancel()
	all.Wait()
	return err
}

// writer writes one version after the other; each third write waits for its receipts.
func (l *load) writer(ctx context.Context, o *object, number int) {
	for version := int64(1); ctx.Err() == nil; {
		if l.gate.closed(number) {
			_ = pass(ctx, writerPause)
			continue
		}
		w := write{version: version, begun: time.Now()}
		l.put(ctx, o, &w, (version+int64(number))%3 == 0)
		l.mu.Lock()
		o.writes = append(o.writes, w)
		if w.acked.IsZero() {
			l.mu.failures++
		}
		l.mu.Unlock()
		version++
		_ = pass(ctx, writerPause)
	}
}

// seen wants the newest versions of the objects that are not written to for now to have been read: they are stored then.
func (l *load) seen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := make(map[int]int64)
	for _, r := range l.mu.reads[max(0, len(l.mu.reads)-5000):] {
		newest[r.object] = max(newest[r.object], r.version)
	}
	for _, o := range l.objects {
		if o.number%2 == 1 && newest[o.number] < int64(len(o.writes)) {
			return fmt.Errorf("nobody has read version %d of %s", len(o.writes), o.path)
		}
	}
	return nil
}

// put stores a version, and notes what came of it.
func (l *load) put(ctx context.Context, o *object, w *write, wait bool) {
	body := fmt.Sprintf("%d\n%s", w.version, strings.Repeat("x", o.size))
	request := client.PutRequest{
		Host: host, Path: o.path, Body: strings.NewReader(body), Size: int64(len(body)), Timeout: requestLimit,
		Fields: map[string]string{"Cache-Control": "public, max-age=3600", "Content-Type": "text/plain", "Surrogate-Key": fmt.Sprintf("drill-%d", o.number%2)},
	}
	if wait {
		request.Wait = 5 * time.Second
	}
	answer, err := l.origin.Put(ctx, request)
	if err != nil {
		return
	}
	w.acked = time.Now()
	if answer.Epoch != nil {
		w.epoch = *answer.Epoch
	}
	if wait && answer.Receipt != nil && answer.Receipt.State == control.StateComplete {
		for _, n := range answer.Receipt.Nodes {
			if n.State != control.StateApplied {
				return
			}
		}
		w.settled = w.acked
	}
}

// purger purges the tag of every other object, hard and soft in turn.
func (l *load) purger(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		if !l.gate.closed(0) {
			w := write{begun: time.Now()}
			mode := [2]string{"hard", "soft"}[i%2]
			p, err := l.fleet.client.CreatePurge(ctx, control.PurgeRequest{Tags: []string{"drill-0"}, Mode: mode}, "")
			if err == nil {
				w.acked, w.epoch = time.Now(), p.Epoch
				l.mu.Lock()
				l.mu.purges = append(l.mu.purges, w)
				l.mu.Unlock()
			}
		}
		_ = pass(ctx, purgerPause)
	}
}

// reader reads one object after the other at one edge.
func (l *load) reader(ctx context.Context, edge, number int) {
	for i := number; ctx.Err() == nil; i++ {
		r := read{object: i % len(l.objects), edge: edge, begun: time.Now()}
		err := l.read(ctx, &r)
		r.ended = time.Now()
		l.mu.Lock()
		switch {
		case err != nil && ctx.Err() == nil:
			l.mu.failures++
		case err == nil && len(l.mu.reads) < maxReads:
			l.mu.reads = append(l.mu.reads, r)
		}
		l.mu.Unlock()
		_ = pass(ctx, readerPause)
	}
}

func (l *load) read(ctx context.Context, r *read) error {
	o := l.objects[r.object]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.fleet.url(edgePort+r.edge)+o.path, nil)
	if err != nil {
		return err
	}
	request.Host = host
	response, err := l.http.Do(request)
	if err != nil {
		return err
	}
	r.version, err = version(response, o)
	r.status = strings.Join(response.Header.Values("Cache-Status"), ", ")
	return err
}

// version is that of a body.
func version(response *http.Response, o *object) (int64, error) {
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", response.StatusCode)
	}
	first, padding, ok := strings.Cut(string(body), "\n")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || err != nil || len(padding) != o.size {
		return 0, errors.New("not the object's body")
	}
	return n, nil
}

// probe writes to an object of its own until a write is acknowledged, and returns its epoch.
func (l *load) probe(ctx context.Context) (epoch uint64, err error) {
	err = await(ctx, 2*time.Minute, func() error {
		w := write{version: 1}
		l.put(ctx, &object{path: probeObject}, &w, false)
		if w.epoch == 0 {
			return errors.New("no write is acknowledged")
		}
		epoch = w.epoch
		return nil
	})
	return epoch, err
}

// readRestored asks the origin which version of each object it has.
func (l *load) readRestored(ctx context.Context) error {
	for _, o := range l.objects {
		response, err := l.origin.Get(ctx, host, o.path, 0)
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if o.restored, err = version(response, o); err != nil {
			return fmt.Errorf("the origin's %s: %w", o.path, err)
		}
	}
	return nil
}

// purgeAll purges what nobody has, and wants all receipts.
func (l *load) purgeAll(ctx context.Context) error {
	p, err := l.fleet.client.CreatePurge(ctx, control.PurgeRequest{Tags: []string{"nothing-has-it"}, Wait: "30s"}, "")
	if err != nil {
		return err
	}
	for _, n := range p.Nodes {
		if n.State != control.StateApplied {
			return fmt.Errorf("%s is %s", n.Node, n.State)
		}
	}
	return nil
}
