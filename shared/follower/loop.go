package follower

import (
	"context"
	"sync"
	"time"

	"tiercache/shared/controllog"
)

const (
	// startTime is how long a start waits for control before it does without.
	startTime = 3 * time.Second
	// catchUpTime is how long it waits when control has answered.
	catchUpTime = 10 * time.Second

	// gapTime is how long an entry may be missing before it is fetched: messages of two publishers overtake
	// each other.
	gapTime = 10 * time.Millisecond
	// reportDelay is how long after an entry was applied control is told: a fleet on few processors applies an entry everywhere
	// before control works on what is said of it, and what comes in one burst is told once.
	reportDelay = time.Millisecond
	// retryTime is how long after a failed fetch the next one begins.
	retryTime = 250 * time.Millisecond

	// maxMessages and maxEarly bound what waits: messages for the loop, and entries for one before them.
	maxMessages = 256
	maxEarly    = 1024
)

// loop is what only Run's goroutine touches. Exchanges run beside it, at most one of each kind, and hand over
// their outcome through its channels, which have room for it; so they never block and nothing is closed.
type loop struct {
	f         *Follower
	ready     func() // nil once it was called
	exchanges sync.WaitGroup

	messages chan []byte
	renewed  chan *renewal
	fetched  chan *fetch
	saved    chan saved

	// The chain.
	early  map[uint64]controllog.Entry // entries that came too early, by the epoch that they follow
	target uint64                      // the highest epoch heard of that is not known to be none of the log's
	// The highest epochs that came by themselves since the renewal, or the fetch, that is under way began, or the last one.
	sinceRenew, sinceFetch uint64
	whole                  bool   // entries do not help any more: an image is needed
	disown                 bool   // and it was another branch of the log: what was stamped is dead
	lostAt                 uint64 // the last exchange that had begun when the node heard that its branch of the log was lost
	lostEpoch              uint64 // the highest one that was applied and is not in the log, until control knows
	empty                  bool   // a node that knows nothing asks for an image, unless that just failed

	// The exchanges.
	seq        uint64    // of the last exchange that was begun
	confirmed  uint64    // of the last one that said where the head is
	renewing   bool      // one is under way
	failing    bool      // the last one granted nothing
	lastSent   time.Time // when the last renewal began
	restUntil  time.Time // NATS is not asked until then
	reported   uint64    // the applied epoch that control was told of
	lastReport time.Time // when a report was sent last
	changed    time.Time // when the first entry since then was applied
	// reportEvery is how often the node may report, as control has said last.
	reportEvery time.Duration
	draining    bool   // control wants the node to be not ready
	taken       string // why control does not take the node for a member: another process has its name; empty: it has not
	fetching    bool
	fetchAt     time.Time // when the next fetch is due; zero: none is
	// pauseUntil: the last fetch failed, and the next one does not begin before.
	pauseUntil time.Time

	// The standing with control.
	joined   bool
	joinHead uint64 // the log's head when the node joined, or when control first answered
	answered bool   // control has answered at all
	head     uint64 // the last answer's
	via      transport
	heard    time.Time // when the last good answer came, by the follower's clock
	reason   string    // why the last exchange failed
	started  time.Time
	since    time.Time // when the node was last disconnected
	loaded   bool      // there was a usable state file
	said     standing  // what was last said of it

	waiters []*waiter

	// What was handed on.
	toldApplied      uint64
	told             bool // the handlers were called
	services, tokens uint64

	// The state file.
	saving  bool
	written uint64    // the epoch of what is in the file
	saveAt  time.Time // not before
}

func newLoop(f *Follower, ready func()) *loop {
	return &loop{
		f: f, ready: ready, started: time.Now(), empty: true, reportEvery: controllog.ReportInterval,
		messages: make(chan []byte, maxMessages),
		renewed:  make(chan *renewal, 1), fetched: make(chan *fetch, 1), saved: make(chan saved, 1),
		early: make(map[uint64]controllog.Entry),
	}
}

// subscribe makes the log's messages arrive. Messages that find no room are held by the connection, which drops
// the newest when it has held many: they are fetched then.
func (l *loop) subscribe(ctx context.Context) (stop func(), err error) {
	if l.f.bus == nil {
		return func() {}, nil
	}
	return l.f.bus.SubscribeLog(func(entries []byte) {
		select {
		case l.messages <- entries:
		case <-ctx.Done():
		}
	})
}

func (l *loop) run(ctx context.Context) {
	defer l.exchanges.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case b := <-l.messages:
			l.message(b)
		case r := <-l.renewed:
			l.answer(r)
		case r := <-l.fetched:
			l.arrived(r)
		case s := <-l.saved:
			l.wrote(s)
		case w := <-l.f.waiting:
			l.wait(w)
		}
		l.settle()
		l.act(ctx)
		timer.Reset(time.Until(l.due()))
	}
}

// settle makes everything else follow from what was applied and answered.
func (l *loop) settle() {
	f, now := l.f, l.f.now()
	applied := f.Applied()
	if applied != l.toldApplied {
		if f.applied != nil {
			f.applied(applied)
		}
		l.toldApplied = applied
		if !l.changed.After(l.lastReport) {
			l.changed = time.Now()
		}
	}
	f.lease.Reached(applied)
	f.known.Store(max(l.target, applied))
	if applied >= l.target && !l.whole && f.cfg.Member {
		l.fetchAt = time.Time{} // what was missing has come
	}
	f.scopes.Store(int64(f.Index().Len()))
	f.caughtUp.Store(l.answered && applied >= l.head && !l.whole)
	l.tell()
	l.release(applied)
	l.look(now)
	l.begin(applied)
}

// begin makes the node ready once it may serve.
//
// INVARIANT: a member applies what the log held when it had joined before it serves anything: a purge that
// completed before waited for the members of its time, and this was none.
func (l *loop) begin(applied uint64) {
	if l.ready == nil {
		return
	}
	current := l.answered && !l.whole && applied >= l.joinHead && (l.joined || !l.f.cfg.Member)
	waited := time.Since(l.started)
	alone := (l.loaded || l.f.cfg.StandAlone) && l.taken == "" && (waited >= catchUpTime || waited >= startTime && !l.answered)
	switch {
	case current:
		l.f.log.Info("follows the control log", "applied", applied)
	case alone:
		l.f.log.Warn("starts without control", "applied", applied, "reason", l.reason)
	default:
		return
	}
	l.ready()
	l.ready = nil
}

// act starts what is due.
func (l *loop) act(ctx context.Context) {
	now := time.Now()
	if !l.renewing && l.f.cfg.Member && !now.Before(l.renewAt(now)) {
		l.renew(ctx, now)
	}
	if l.wantsReport(now) && !now.Before(l.reportAt()) {
		l.report(now)
	}
	if !l.fetching && l.wantsFetch() && !now.Before(l.fetchAt) {
		l.fetch(ctx, now)
	}
	if l.wantsSave() && !now.Before(l.saveAt) {
		l.save()
	}
}

// due is when act has something to do, and at the latest when the standing must be looked at again.
func (l *loop) due() time.Time {
	now := time.Now()
	due := now.Add(controllog.RenewInterval)
	sooner := func(t time.Time) {
		if t.Before(due) {
			due = t
		}
	}
	if !l.renewing && l.f.cfg.Member {
		sooner(l.renewAt(now))
	}
	if l.wantsReport(now) {
		sooner(l.reportAt())
	}
	if !l.fetching && l.wantsFetch() {
		sooner(l.fetchAt)
	}
	if l.wantsSave() {
		sooner(l.saveAt)
	}
	return due
}

// tell hands services and tokens on when they are known and have changed.
func (l *loop) tell() {
	f := l.f
	if !l.told && !l.loaded && !(l.answered && f.caughtUp.Load()) {
		return
	}
	services, tokens := f.replica.ServicesVersion(), f.replica.TokensVersion()
	if !l.told || services != l.services {
		for _, handle := range f.onServices {
			handle(f.replica.Services())
		}
	}
	if !l.told || tokens != l.tokens {
		for _, handle := range f.onTokens {
			handle(f.replica.Tokens())
		}
	}
	l.told, l.services, l.tokens = true, services, tokens
}
