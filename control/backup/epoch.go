package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// resolve makes the settings of a recovery of the target.
func (j *restoring) resolve(ctx context.Context) ([]string, error) {
	t := j.o.Target
	switch {
	case !t.Time.IsZero():
		return []string{"hot_standby=off", "recovery_target_time=" + t.Time.UTC().Format("2006-01-02 15:04:05.000000+00")}, nil
	case t.Epoch != 0:
		xid, err := j.findTransaction(ctx)
		return []string{"hot_standby=off", "recovery_target_xid=" + strconv.FormatUint(xid, 10)}, err
	}
	return []string{"hot_standby=off"}, nil
}

// findTransaction finds the transaction that has numbered an epoch. The log of PostgreSQL knows transactions, not epochs; the
// log of the fleet has in each row the transaction that put it there. So the archive is replayed once, on a server that
// can be read meanwhile, until the row is there; what was replayed is thrown away.
func (j *restoring) findTransaction(ctx context.Context) (xid uint64, err error) {
	j.o.Say("looking for epoch %d in the archive: it is replayed twice", j.o.Target.Epoch)
	if err := j.copyBase(ctx); err != nil {
		return 0, err
	}
	s, err := j.start(ctx, []string{"hot_standby=on"})
	if err != nil {
		return 0, err
	}
	defer s.kill()
	found := false
	if err := s.await(ctx, func() (bool, error) { return s.state() == "standby" || s.state() == "ready", nil }); err != nil {
		return 0, err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = s.await(ctx, func() (bool, error) {
		xid, found, err = transactionOf(ctx, conn, j.o.Target.Epoch)
		return found, err
	})
	if err != nil {
		return 0, err
	}
	s.kill()
	return xid, os.RemoveAll(j.work)
}

// Codes of PostgreSQL's errors: there is no such table, and one may not.
const (
	undefinedTable        = "42P01"
	insufficientPrivilege = "42501"
)

// transactionOf looks for an epoch on a server that recovers; false: not yet. Errors: ErrTarget when it will not come.
func transactionOf(ctx context.Context, conn *pgx.Conn, epoch uint64) (xid uint64, found bool, err error) {
	var over bool
	var head, next uint64
	err = conn.QueryRow(ctx, `SELECT NOT pg_is_in_recovery(), coalesce((SELECT max(l.epoch) FROM tiercache.log AS l WHERE l.epoch < $1), 0),
		coalesce((SELECT min(l.epoch) FROM tiercache.log AS l WHERE l.epoch >= $1), 0)`, epoch).Scan(&over, &head, &next)
	var known *pgconn.PgError
	switch {
	case errors.As(err, &known) && known.Code == undefinedTable:
		return 0, false, fmt.Errorf("%w: the database has no control log, and so no epochs", ErrTarget)
	case known != nil && !conn.IsClosed():
		return 0, false, nil // recovery has cancelled the query
	case err != nil:
		return 0, false, fmt.Errorf("read the control log while it is replayed: %w", err)
	case next == epoch:
		err = conn.QueryRow(ctx, "SELECT xmin::text::bigint FROM tiercache.log WHERE epoch = $1", epoch).Scan(&xid)
		return xid, err == nil, nil
	case next != 0:
		return 0, false, fmt.Errorf("%w: the control log has no epoch %d; the one before is %d, and the next %d", ErrTarget, epoch, head, next)
	case over:
		return 0, false, fmt.Errorf("%w: the archive ends before epoch %d; the last one in it is %d", ErrTarget, epoch, head)
	}
	return 0, false, nil
}
