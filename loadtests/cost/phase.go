package cost

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/openloop"
	"tiercache/loadtests/processes"
)

// ratesOf are those of a case: a part of the rates of hits in L1, as the dearer a request is the fewer of them the one machine
// of clients and platform can make. Writes and purges have one.
func ratesOf(c Case, hits []float64) (rates []float64) {
	part := map[Case]float64{CaseL1: 1, CaseMix: 1. / 2, CaseL2: 1. / 4, CaseFill: 1. / 10, CaseWrite: 1. / 80, CasePurge: 1. / 80}[c]
	for _, rate := range hits {
		rates = append(rates, rate*part)
	}
	if c == CaseWrite || c == CasePurge {
		return rates[len(rates)-1:]
	}
	return rates
}

// moment is what had been used and counted until then.
type moment struct {
	at     time.Time
	usage  usage
	counts counts
}

func (r *run) now(ctx context.Context) (at moment, err error) {
	if at.counts, err = r.count(ctx); err != nil {
		return at, err
	}
	at.at = time.Now()
	at.usage, err = readUsage(processes.All(), r.platform.PID())
	return at, err
}

// errBusy says that requests were late by more than a tenth of the time of a phase.
var errBusy = errors.New("the machine is too slow, or too busy,")

// tries is how often a phase is measured until the machine was not too busy for it.
const tries = 3

// patiently measures a phase, again where the machine was too busy.
func (r *run) patiently(ctx context.Context, m *Measured, c Case, rate float64) (err error) {
	for range tries {
		if err = r.phase(ctx, m, c, rate); !errors.Is(err, errBusy) {
			return err
		}
		r.say("%v", err)
	}
	return err
}

// phase warms up, measures, and adds what it has measured.
func (r *run) phase(ctx context.Context, m *Measured, c Case, rate float64) error {
	r.say("%s, %.0f a second for %v", c, rate, r.cfg.Lasting)
	warmUp := r.cfg.Lasting / 4
	if c == CaseL2 {
		if err := r.fillL2(ctx, requestsIn(rate, warmUp)+requestsIn(rate, r.cfg.Lasting)); err != nil {
			return fmt.Errorf("fill L2: %w", err)
		}
	}
	r.drive(ctx, c, rate, warmUp)
	p := Phase{Case: c, Rate: rate, LoadBefore: processes.Load()}
	before, err := r.now(ctx)
	if err != nil {
		return err
	}
	done := r.drive(ctx, c, rate, r.cfg.Lasting)
	took := time.Since(before.at)
	if err := openloop.Wait(ctx, rest); err != nil {
		return err
	}
	after, err := r.now(ctx)
	if err != nil {
		return err
	}
	if took > r.cfg.Lasting*11/10+rest {
		return fmt.Errorf("the requests of %v took %v: %w for such a rate (%v)", r.cfg.Lasting, took.Round(time.Millisecond), errBusy, done[0].First)
	}
	if err := p.fill(before, after, done); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("%w (%v)", err, done[0].First)
	}
	p.LoadAfter = processes.Load()
	m.Phases = append(m.Phases, p)
	return nil
}

// fill takes over what was counted. Of done the first is what the case is about, then there are writes, then purges.
func (p *Phase) fill(before, after moment, done []openloop.Tally) (err error) {
	p.Seconds = after.at.Sub(before.at).Seconds()
	if p.CPU, err = after.usage.since(before.usage); err != nil {
		return err
	}
	p.Memory = after.usage.memory
	counted := after.counts.minus(before.counts)
	p.EdgeRequests, p.RegionalRequests, p.OriginRequests, p.OriginBytes = counted.edge, counted.regional, counted.origin, counted.originBytes
	first := done[0]
	p.Requests, p.Errors, p.Bytes = first.Requests, first.Errors, float64(first.Bytes)
	p.P50, p.P99 = first.P50.Seconds()*1000, first.P99.Seconds()*1000
	switch {
	case p.Case == CaseIdle:
		p.Requests = 0
	case p.Case == CaseWrite:
		p.Writes, p.Bytes = p.Requests, 0
	case p.Case == CasePurge:
		p.Purges = p.Requests
	case len(done) == 3:
		p.Writes, p.Purges = done[1].Requests, done[2].Requests
		p.Errors += done[1].Errors + done[2].Errors
	}
	return nil
}

// drive makes the requests of a case, and returns when all are answered.
func (r *run) drive(ctx context.Context, c Case, rate float64, lasting time.Duration) []openloop.Tally {
	streams := r.streams(c, rate, lasting)
	done := make([]openloop.Tally, len(streams))
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() { done[i] = streams[i].Drive(ctx) })
	}
	all.Wait()
	return done
}

// streams are the requests of a case.
func (r *run) streams(c Case, rate float64, lasting time.Duration) []openloop.Stream {
	n := requestsIn(rate, lasting)
	s := openloop.Stream{Count: n, Rate: rate, Workers: workers}
	objects := len(r.set.sizes)
	switch c {
	case CaseIdle:
		return []openloop.Stream{{Count: 1, Workers: 1, Do: func(ctx context.Context, _ int) (int64, error) { return 0, openloop.Wait(ctx, lasting) }}}
	case CaseL1:
		s.Do = r.reads(popular(hot, n, r.stream()))
	case CaseL2:
		from := r.cursor
		r.cursor += n
		s.Do = func(ctx context.Context, i int) (int64, error) { return r.fromL2(ctx, r.reader, from+i) }
	case CaseFill: // with a query, which the origin ignores and the stores do not
		from := r.fills
		r.fills += n
		s.Do = func(ctx context.Context, i int) (int64, error) {
			return r.reader.read(ctx, (from+i)%objects, "?fill="+strconv.Itoa(from+i))
		}
	case CaseMix:
		s.Do = r.reads(popular(objects, n, r.stream()))
		return []openloop.Stream{s, r.writes(rate*writesEach, int(float64(n)*writesEach)), r.purges(rate*purgesEach, int(float64(n)*purgesEach))}
	case CaseWrite:
		return []openloop.Stream{r.writes(rate, n)}
	case CasePurge:
		return []openloop.Stream{r.purges(rate, n)}
	}
	return []openloop.Stream{s}
}

func requestsIn(rate float64, lasting time.Duration) int { return int(rate * lasting.Seconds()) }

// fromL2 is the nth request of CaseL2, from a node. Each has a query of its own, which the origin ignores and the stores do not:
// whatever an edge keeps, it has never been asked for that.
func (r *run) fromL2(ctx context.Context, node *reader, n int) (int64, error) {
	objects := len(r.set.sizes)
	return node.read(ctx, objects-1-n%objects, "?l2="+strconv.Itoa(n))
}

// fillL2 asks the regional node for what the next n requests of CaseL2 will ask the edge for.
func (r *run) fillL2(ctx context.Context, n int) error {
	from := r.cursor
	t := openloop.Stream{Count: n, Workers: workers / 4, Do: func(ctx context.Context, i int) (int64, error) {
		return r.fromL2(ctx, r.regional, from+i)
	}}
	done := t.Drive(ctx)
	if done.First != nil {
		return fmt.Errorf("%d of %d requests failed: %w", done.Errors, n, done.First)
	}
	return ctx.Err()
}

func (r *run) stream() uint64 {
	r.drawn++
	return r.drawn
}

func (r *run) reads(objects []int) func(context.Context, int) (int64, error) {
	return func(ctx context.Context, i int) (int64, error) { return r.reader.read(ctx, objects[i], "") }
}

// writes store new versions of objects, each as likely as the others.
func (r *run) writes(rate float64, n int) openloop.Stream {
	objects, from := evenly(len(r.set.sizes), n, r.stream()), r.versions
	r.versions += n
	return openloop.Stream{Count: n, Rate: rate, Workers: workers, Do: func(ctx context.Context, i int) (int64, error) {
		return r.set.put(ctx, r.origin, objects[i], 1+from+i)
	}}
}

// purges are hard, of the tags of objects, each as likely as the others.
func (r *run) purges(rate float64, n int) openloop.Stream {
	objects := evenly(len(r.set.sizes), n, r.stream())
	return openloop.Stream{Count: n, Rate: rate, Workers: workers, Do: func(ctx context.Context, i int) (int64, error) {
		_, err := r.control.CreatePurge(ctx, client.PurgeRequest{Tags: []string{r.set.tag(objects[i])}}, "")
		return 0, err
	}}
}
