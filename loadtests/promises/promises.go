// Package promises writes and reads the same few objects at once, all over a fleet, and checks what readers are
// promised: a read that begins after a write has its receipts sees that write or a later one, at any edge; so does
// one that carries the write's epoch, whether the write waited or not; and a reader that carries the highest epoch
// it was given never goes back. Start reading at Run, then reader.go.
package promises

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/origin/client"
)

// Config of a run.
type Config struct {
	Origin string   // URL
	Token  string   // with the right to write
	Edges  []string // URLs
	Host   string   // of the objects

	Objects int           // each has one writer
	Readers int           // of each kind
	Pause   time.Duration // of a writer between two writes
	For     time.Duration
}

// Report is what was seen.
type Report struct {
	Writes, Waited, Unsettled, WriteErrors int64
	Reads, ReadErrors                      int64
	Hits                                   int64 // reads that an edge answered from its store
	Violations                             []string
	LongestStale                           time.Duration // how long after a write that did not wait its predecessor was still seen
}

// maxViolations bounds what is kept of a run that goes wrong.
const maxViolations = 100

// object is what is known of one object. A version is settled when its write returned with all receipts.
type object struct {
	path    string
	size    int // of its body at least
	settled atomic.Int64
	latest  atomic.Pointer[write]
}

// write is a write that has returned.
type write struct {
	version int64
	epoch   uint64
	at      time.Time
}

// run is a run under way.
type run struct {
	cfg     Config
	origin  *client.Client
	http    *http.Client
	objects []*object

	mu struct {
		sync.Mutex
		report Report
	}
}

// Run writes and reads until the time is over. The error is one of the set-up; what is wrong with the fleet is in the
// report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if len(cfg.Edges) == 0 || cfg.Objects <= 0 || cfg.Readers <= 0 {
		return Report{}, errors.New("promises: at least one edge, object and reader")
	}
	origin, err := client.New(cfg.Origin, cfg.Token, cfg.Objects)
	if err != nil {
		return Report{}, err
	}
	defer origin.Close()
	r := &run{cfg: cfg, origin: origin, http: &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 4 * cfg.Readers, DisableCompression: true},
	}}
	defer r.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	begun := time.Now().UnixNano() // versions count from 1 in each run
	for i := range cfg.Objects {
		o := &object{path: fmt.Sprintf("/promises/%d/%d", begun, i)}
		if i%4 == 3 {
			o.size = 400 << 10 // in segments
		}
		r.objects = append(r.objects, o)
		if err := r.write(ctx, o, 1, false); err != nil {
			return r.mu.report, fmt.Errorf("promises: first write: %w", err)
		}
	}
	r.loop(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.report, nil
}

// loop runs all writers and readers until ctx ends.
func (r *run) loop(ctx context.Context) {
	var all sync.WaitGroup
	for i, o := range r.objects {
		all.Go(func() { r.writer(ctx, o, i) })
	}
	for i := range r.cfg.Readers {
		for _, kind := range []readerKind{plainReader, tokenReader, jarReader} {
			all.Go(func() { r.reader(ctx, kind, i) })
		}
	}
	all.Wait()
}

// writer writes one version after the other; each third write waits for its receipts.
func (r *run) writer(ctx context.Context, o *object, number int) {
	for version := int64(2); ctx.Err() == nil; version++ {
		if err := r.write(ctx, o, version, (version+int64(number))%3 == 0); err != nil && ctx.Err() == nil {
			r.note(func(rep *Report) { rep.WriteErrors++ })
		}
		rest(ctx, r.cfg.Pause)
	}
}

// write stores a version. One that fails may have been stored all the same; a later one then replaces it.
func (r *run) write(ctx context.Context, o *object, version int64, wait bool) error {
	body := fmt.Sprintf("%d\n%s", version, strings.Repeat("x", o.size))
	request := client.PutRequest{
		Host: r.cfg.Host, Path: o.path, Body: strings.NewReader(body), Size: int64(len(body)),
		Fields: map[string]string{"Cache-Control": "public, max-age=3600", "Content-Type": "text/plain"},
	}
	if wait {
		request.Wait = 10 * time.Second
	}
	answer, err := r.origin.Put(ctx, request)
	if err != nil {
		return err
	}
	done := &write{version: version, at: time.Now()}
	if answer.Epoch != nil {
		done.epoch = *answer.Epoch
	}
	settled := wait && answer.Receipt != nil && answer.Receipt.State == "complete"
	if settled {
		for _, n := range answer.Receipt.Nodes {
			settled = settled && n.State == "applied"
		}
	}
	if settled {
		o.settled.Store(version)
	}
	if done.epoch > 0 {
		o.latest.Store(done)
	}
	r.note(func(rep *Report) {
		rep.Writes++
		if wait {
			rep.Waited++
			if !settled {
				rep.Unsettled++
			}
		}
	})
	return nil
}

func (r *run) note(change func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.mu.report)
}

func (r *run) violation(format string, args ...any) {
	r.note(func(rep *Report) {
		if len(rep.Violations) < maxViolations {
			rep.Violations = append(rep.Violations, fmt.Sprintf(format, args...))
		}
	})
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// String is a report for people.
func (rep Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "writes      %d, %d of them waited, %d of these without all receipts; %d errors\n", rep.Writes, rep.Waited, rep.Unsettled, rep.WriteErrors)
	fmt.Fprintf(&b, "reads       %d, %d of them hits at an edge; %d errors\n", rep.Reads, rep.Hits, rep.ReadErrors)
	fmt.Fprintf(&b, "old content %.1f ms after a write that did not wait, at most\n", float64(rep.LongestStale.Microseconds())/1000)
	fmt.Fprintf(&b, "violations  %d\n", len(rep.Violations))
	for _, v := range rep.Violations {
		fmt.Fprintln(&b, "  "+v)
	}
	return b.String()
}
