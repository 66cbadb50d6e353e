package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
	"tiercache/shared/controllog"
)

// sequenceTimeout bounds one round, a second attempt after a lost connection included.
const sequenceTimeout = 3 * time.Second

// sequenceBatch is how many rows one call moves at most.
const sequenceBatch = 10_000

// maxSequenced bounds the entries that a round hands on, in bytes of their bodies. Who follows the log fetches
// the others, which somebody else's huge transaction may have made.
const maxSequenced = 1 << 20

// sequencing lets one round of this process at a time run tiercache.sequence(). PostgreSQL would let them
// wait for each other too, but each with a connection of its own.
type sequencing struct {
	turn    chan struct{} // holds one element while a round runs
	failing atomic.Bool   // the last round did
	mu      struct {
		sync.Mutex
		next *round // takes everybody who asks before it begins; nil: none is waiting
	}
}

// round is one run of tiercache.sequence() for all who asked before it began.
type round struct {
	ids    []string      // of the outbox rows whose epochs are wanted; complete when the round begins
	done   chan struct{} // closed by the round's leader once epochs and err are set
	epochs map[string]uint64
	err    error
}

// sequence has every row that was visible in the outbox before the call moved into the log, and returns the
// epoch of the one with that id, which may have been moved before, by anybody. An empty id asks for none.
// Errors: origin.ErrUnavailable and others of the database, and ctx's own.
func (s *Store) sequence(ctx context.Context, id string) (uint64, error) {
	r, leader := s.sequencing.join(id)
	if leader {
		s.lead(ctx, r)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if r.err != nil || id == "" {
		return 0, r.err
	}
	epoch, ok := r.epochs[id]
	if !ok {
		return 0, fmt.Errorf("%w: the entry %s is not in the log yet", origin.ErrUnavailable, id)
	}
	return epoch, nil
}

// join takes a place in the round that has not begun yet. Who comes first leads it.
func (q *sequencing) join(id string) (r *round, leader bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if leader = q.mu.next == nil; leader {
		q.mu.next = &round{done: make(chan struct{})}
	}
	if id != "" {
		q.mu.next.ids = append(q.mu.next.ids, id)
	}
	return q.mu.next, leader
}

// begin closes the round to those who come later: what they wrote may not be visible to it.
func (q *sequencing) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.next = nil
}

// lead waits for the round before and runs this one. It goes on when the leader's own request has ended,
// because of the others; it takes no longer than two rounds do.
func (s *Store) lead(ctx context.Context, r *round) {
	s.sequencing.turn <- struct{}{}
	defer func() {
		<-s.sequencing.turn
		close(r.done)
	}()
	s.sequencing.begin()
	limited, cancel := detached(ctx, sequenceTimeout)
	defer cancel()
	m, err := s.runSequence(limited, r)
	s.noteSequenced(err)
	if r.err = err; err != nil {
		return
	}
	s.handOn(&m)
}

// handOn counts what was moved and committed, and tells of it.
func (s *Store) handOn(m *moved) {
	s.sequenced.Add(uint64(m.total))
	if s.Sequenced != nil && len(m.rows) > 0 {
		s.Sequenced(m.rows)
	}
}

// noteSequenced counts a failure, and logs when failures begin and end.
func (s *Store) noteSequenced(err error) {
	if err != nil {
		s.sequenceFailures.Add(1)
	}
	if s.sequencing.failing.Swap(err != nil) == (err != nil) {
		return
	}
	if err != nil {
		s.log.Error("what is written gets no epoch", "error", err)
		return
	}
	s.log.Info("what is written gets its epoch again")
}

// runSequence tries twice, like read: to sequence again does no harm.
func (s *Store) runSequence(ctx context.Context, r *round) (moved, error) {
	pool, err := s.db()
	if err != nil {
		return moved{}, err
	}
	m, err := r.run(ctx, pool)
	if lost(err) {
		pool.Reset()
		m, err = r.run(ctx, pool)
	}
	s.noteLost(err)
	return m, classify(err)
}

// run sends the round as one batch, which is one transaction and one round trip, and once more as long as
// there may be more than one call moves.
func (r *round) run(ctx context.Context, pool *pgxpool.Pool) (moved, error) {
	var m moved
	for {
		before := m.total
		if err := r.runOnce(ctx, pool, &m); err != nil {
			return moved{}, fmt.Errorf("sequence: %w", err)
		}
		if m.total-before < sequenceBatch {
			return m, nil
		}
	}
}

// runOnce asks the log in a statement of its own, whose snapshot has what this call moved and what others had.
func (r *round) runOnce(ctx context.Context, pool *pgxpool.Pool, m *moved) error {
	batch := &pgx.Batch{}
	batch.Queue(waitForDisk)
	batch.Queue(`SELECT `+movedColumns+` FROM tiercache.sequence($1)`, sequenceBatch).Query(m.collect)
	epochs := make(map[string]uint64, len(r.ids))
	batch.Queue(`SELECT id, epoch FROM tiercache.log WHERE id = ANY($1)`, r.ids).Query(func(rows pgx.Rows) error {
		var id string
		var epoch uint64
		_, err := pgx.ForEachRow(rows, []any{&id, &epoch}, func() error {
			epochs[id] = epoch
			return nil
		})
		return err
	})
	err := pool.SendBatch(ctx, batch).Close()
	r.epochs = epochs
	return err
}

// moved is what a round has moved from the outbox into the log.
type moved struct {
	rows  []controllog.Row // the first ones, up to maxSequenced
	size  int              // of all bodies, in bytes
	total int
}

// movedColumns are those that collect reads.
const movedColumns = `epoch, prev, at, id, kind, body, coalesce(prev_chain, 0), coalesce(chain, 0)`

// atOnceBatch is how many rows a write moves at most, its own among them: it does not wait for a backlog to be worked off.
const atOnceBatch = 100

// turnTime is how long a write waits for this process's turn to number entries, as long as the function in SQL waits for other
// processes.
const turnTime = 5 * time.Millisecond

// writeAtOnce is write for a change that puts rows into the outbox: they get their epochs in its own transaction, unless
// somebody else is giving numbers. What was moved is handed on when it is committed.
func (s *Store) writeAtOnce(ctx context.Context, change func(ctx context.Context, tx pgx.Tx) error) (m moved, err error) {
	turn := false
	defer func() {
		if turn {
			<-s.sequencing.turn
		}
	}()
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := change(ctx, tx); err != nil {
			return err
		}
		// INVARIANT: what this process has moved is handed on in its order, so the turn lasts until then.
		waited := time.NewTimer(turnTime)
		defer waited.Stop()
		select {
		case s.sequencing.turn <- struct{}{}:
			turn = true
			return m.atOnce(ctx, tx)
		case <-waited.C:
			return nil
		}
	})
	if err != nil {
		return moved{}, err
	}
	s.handOn(&m)
	return m, nil
}

// atOnce moves what is in the outbox, of this transaction and of those before it, as the last thing that the transaction does:
// see the function in SQL. It moves nothing when somebody else is at it.
func (m *moved) atOnce(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT `+movedColumns+` FROM tiercache.sequence_at_once($1)`, atOnceBatch)
	if err == nil {
		err = m.collect(rows)
	}
	if err != nil {
		return fmt.Errorf("sequence: %w", err)
	}
	return nil
}

// collect reads the rows of one call.
func (m *moved) collect(rows pgx.Rows) error {
	var row controllog.Row
	var prevChain, chain int64
	_, err := pgx.ForEachRow(rows, []any{&row.Epoch, &row.Prev, &row.Time, &row.ID, &row.Kind, &row.Body, &prevChain, &chain}, func() error {
		row.PrevChain, row.Chain = uint64(prevChain), uint64(chain)
		m.total++
		if m.size += len(row.Body); m.size <= maxSequenced {
			m.rows = append(m.rows, row)
		}
		row.Body = nil // the next row gets bytes of its own
		return nil
	})
	return err
}
