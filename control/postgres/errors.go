package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Errors of the Store's methods.
var (
	// ErrUnavailable: the database cannot be reached, or cannot work now. A write may have been done.
	ErrUnavailable = errors.New("the control database is unavailable")
	// ErrNotFound: there is no such row, or its write has no epoch yet.
	ErrNotFound = errors.New("not found")
	// ErrCompacted: entries that were asked for have been removed from the log.
	ErrCompacted = errors.New("the log does not reach back that far")
	// ErrConflict: the idempotency key was used for another request, or somebody else was first.
	ErrConflict = errors.New("conflict")
	// ErrInvalid: what was to be stored is not valid; the error says what.
	ErrInvalid = errors.New("invalid")
	// ErrDeparted: the process has left the fleet; it joins no more.
	ErrDeparted = errors.New("this process has left the fleet")
	// ErrFull: there is no room for another one; the error says of what.
	ErrFull = errors.New("full")
)

// SQLSTATEs that decide what a caller is told.
const (
	stateLockUnavailable = "55P03"
	stateReadOnly        = "25006"
	stateRecovering      = "55000" // what sequence() asks first has no answer on a server that is in recovery, or a standby
	stateIOError         = "58030"
	// Connections that the server has ended: this process was held up in the middle of a transaction, or the server's clock was
	// set.
	stateIdleTooLong = "25P03"
	stateTooLong     = "25P04"
	stateUnique      = "23505"
	stateCheck       = "23514"
)

// unavailableClasses are the SQLSTATE classes of a server that cannot work now but may soon:
// connection exceptions, rollbacks, resources, operator intervention.
func unavailableClasses() [4]string { return [4]string{"08", "40", "53", "57"} }

// classify turns what pgx returns into this package's errors. What it does not know stays as it is and is
// a fault of ours.
func classify(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled), known(err):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.As(err, &pg):
		return classifyState(pg.Code, err)
	case errors.Is(err, context.DeadlineExceeded), isConnection(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func classifyState(code string, err error) error {
	switch {
	case code == stateLockUnavailable, code == stateReadOnly, code == stateRecovering, code == stateIOError,
		code == stateIdleTooLong, code == stateTooLong:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case code == stateUnique:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case code == stateCheck, strings.HasPrefix(code, "22"): // such as a NUL in a string, which jsonb has no place for
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, class := range unavailableClasses() {
		if strings.HasPrefix(code, class) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}

// Verbatim reports whether the text of err has words of PostgreSQL's.
func Verbatim(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg)
}

// known reports whether err is one of the Store's own already.
func known(err error) bool {
	for _, own := range [...]error{ErrUnavailable, ErrNotFound, ErrCompacted, ErrConflict, ErrInvalid, ErrDeparted, ErrFull, errVisitor} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// lost reports whether err says that the connection is gone rather than that the server refused.
func lost(err error) bool {
	var pg *pgconn.PgError
	switch {
	case err == nil, known(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "57P") // the server is shutting down or has crashed
	}
	return isConnection(err)
}

// isConnection reports whether err is about the way to the server. All else that pgx returns without a SQLSTATE, such as
// a value that does not fit its parameter or its variable, is a fault of ours, and the connection is as good as before.
func isConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool)
}
