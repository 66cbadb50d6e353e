package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/control/sequencer"
	"tiercache/shared/controllog"
)

const (
	// ringSize is how many events are kept for streams; one that falls behind further reads the log again.
	ringSize = 1024

	// maxStreams bounds how many clients follow at a time.
	maxStreams = 256

	// eventsRetry is how soon the log is read again after an error.
	eventsRetry = 200 * time.Millisecond
)

// events is what clients of GET /v1/events are shown. One goroutine reads for all of them, and only while
// there is one.
type events struct {
	log     func(ctx context.Context, after uint64) ([]controllog.Row, error)
	applied func() uint64 // of this node

	wake chan struct{} // holds one: there is something to read

	mu struct {
		sync.Mutex
		streams int
		closed  bool
		after   uint64 // the log has been read through it
		ring    [ringSize]client.Event
		written uint64        // events ever put into the ring
		changed chan struct{} // closed by the next change of written or closed
	}
}

func newEvents(store *postgres.Store, seq *sequencer.Sequencer) *events {
	e := &events{log: store.Log, applied: seq.Applied, wake: make(chan struct{}, 1)}
	e.mu.changed = make(chan struct{})
	return e
}

// followers is the part that reads for those who follow.
func (c *Control) followers(ctx context.Context, ready func()) error {
	defer c.sequencer.Subscribe(func([]controllog.Entry) { c.events.rouse() })()
	defer c.members.Subscribe(c.events.member)()
	return c.events.run(ctx, ready)
}

// rouse makes the reader look at the log.
func (e *events) rouse() {
	select {
	case e.wake <- struct{}{}:
	default: // it will already
	}
}

// run reads for the streams until ctx ends, which ends them.
func (e *events) run(ctx context.Context, ready func()) error {
	defer e.close()
	ready()
	retry := time.NewTicker(eventsRetry)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-retry.C: // what an error left unread
		}
		e.read(ctx)
	}
}

// read puts what is new in the log into the ring.
func (e *events) read(ctx context.Context) {
	for e.followed() {
		e.mu.Lock()
		after := e.mu.after
		e.mu.Unlock()
		if e.applied() <= after {
			return
		}
		list, next, err := e.entries(ctx, after)
		if err != nil || next == after {
			return // PostgreSQL is away: run tries again
		}
		e.add(next, list...)
	}
}

// entries are the log's entries behind an epoch as events, and the epoch through which they go: after itself
// when there are none. Entries that are not kept any more are one EventGap.
func (e *events) entries(ctx context.Context, after uint64) (list []client.Event, through uint64, err error) {
	rows, err := e.log(ctx, after)
	if errors.Is(err, postgres.ErrCompacted) {
		now := e.applied()
		return []client.Event{{Type: client.EventGap, Epoch: now, Time: time.Now()}}, now, nil
	}
	if err != nil {
		return nil, 0, err
	}
	through = after
	for i := range rows {
		list = append(list, eventOf(&rows[i]))
		through = rows[i].Epoch
	}
	return list, through, nil
}

// add appends to the ring and wakes the streams. A through above 0 says how far the log has been read.
func (e *events) add(through uint64, list ...client.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.after = max(e.mu.after, through)
	for _, event := range list {
		e.mu.ring[e.mu.written%ringSize] = event
		e.mu.written++
	}
	close(e.mu.changed)
	e.mu.changed = make(chan struct{})
}

// member puts what happened to a member into the ring.
func (e *events) member(change members.Change) {
	m := &change.Member
	e.add(0, client.Event{Type: client.EventMember, Time: change.At, Detail: encode(client.MemberChange{
		Node: m.Node, Tier: m.Tier, Region: m.Region, Change: change.Kind,
	})})
}

// followed reports whether anybody is listening.
func (e *events) followed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.streams > 0
}

// join admits a stream: it sees the events behind cursor, which are those of the log behind epoch. It is
// false when there are too many, or the node is stopping.
func (e *events) join() (cursor, epoch uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed || e.mu.streams >= maxStreams {
		return 0, 0, false
	}
	if e.mu.streams == 0 {
		e.mu.after = e.applied()
	}
	e.mu.streams++
	return e.mu.written, e.mu.after, true
}

func (e *events) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.streams--
}

// news are the events behind cursor, and a channel that is closed when there are more. lost: the oldest of
// them are not in the ring any more, so all that is known is where it goes on.
func (e *events) news(cursor uint64) (list []client.Event, next uint64, changed <-chan struct{}, lost, closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.written-cursor > ringSize {
		return nil, e.mu.written, e.mu.changed, true, e.mu.closed
	}
	for ; cursor < e.mu.written; cursor++ {
		list = append(list, e.mu.ring[cursor%ringSize])
	}
	return list, cursor, e.mu.changed, false, e.mu.closed
}

// close ends the streams.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.closed = true
	close(e.mu.changed)
	e.mu.changed = make(chan struct{})
}
