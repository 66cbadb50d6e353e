package origin

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors of a Store. Whatever else it returns is a fault of ours, and a client sees status 500.
var (
	ErrNotFound     = errors.New("no such object")
	ErrPrecondition = errors.New("precondition failed")
	ErrDigest       = errors.New("the body does not have the digest that the request says")
	ErrUnavailable  = errors.New("the database is not available")
	ErrDiskFull     = errors.New("the database's disk is full")
	ErrCorrupt      = errors.New("a stored body is damaged")
	ErrExpired      = errors.New("the upload was given up because it was too slow")
)

// Store keeps objects. It is safe for concurrent use; each call but Put and the reads of a Body
// returns within a few seconds, whatever happens to the database.
//
// What Lookup, Current and Version return has the Epoch of the snapshot that it was read from; beside
// ErrNotFound the Object has its Epoch alone, since which nothing was there.
type Store interface {
	// Lookup returns the current version of a, or of the same path at AnyHost if a has none.
	// Errors: ErrNotFound, ErrUnavailable.
	Lookup(ctx context.Context, a Address) (Object, error)

	// Current returns the current version of a itself. Errors: ErrNotFound, ErrUnavailable.
	Current(ctx context.Context, a Address) (Object, error)

	// Version returns one kept version of a. Errors: ErrNotFound, ErrUnavailable.
	Version(ctx context.Context, a Address, version int64) (Object, error)

	// Versions returns the kept versions of a, the newest first. Errors: ErrUnavailable.
	Versions(ctx context.Context, a Address) ([]Object, error)

	// List returns a page of current objects, in order of their paths. Errors: ErrUnavailable.
	List(ctx context.Context, q Query) (Page, error)

	// Put stores what up.Body yields until io.EOF and makes it the current version in one
	// transaction, with the write's entry in the control log; until then, and after any error, readers
	// get what was there. The Object's Epoch is the entry's, or, when there was nothing to change, one
	// of a read; 0: the write is committed, but its epoch is not known yet. The bool says whether the
	// address had no object before. Errors: those of up.Body as they are,
	// ErrPrecondition, ErrDigest, ErrUnavailable (also when it is not known whether the write was
	// committed), ErrDiskFull, ErrExpired.
	Put(ctx context.Context, up Upload) (Object, bool, error)

	// Delete removes a; its versions are kept as long as any others. It returns the write's epoch, 0
	// while that is not known. Errors: ErrNotFound, ErrPrecondition, ErrUnavailable.
	Delete(ctx context.Context, a Address, c Conditions) (epoch uint64, err error)

	// Open returns o's body. It does no I/O; reads use ctx and hold no connection in between. It
	// can be read for at least ten minutes after o stopped being a kept version. Errors of reads:
	// ErrUnavailable, ErrCorrupt.
	Open(ctx context.Context, o Object) io.ReadSeekCloser
}

// Upload is one write.
type Upload struct {
	Address
	Fields     Fields
	Body       io.Reader
	Digest     *Digest // expected; nil: not known
	Conditions Conditions
}

// Query selects objects of one host.
type Query struct {
	Host   string
	Prefix string // paths that start with it; empty: all
	After  string // paths that sort behind it, by bytes; empty: from the first
	Limit  int    // at most so many, positive
}

// Page is part of a listing. Next is the After of the next page; empty: there is none.
type Page struct {
	Objects []Object
	Next    string
}

// Pool is the state of a Store's connections.
type Pool struct {
	Total, Busy, Limit int64
	Waited             time.Duration // spent waiting for a free one, since the start
}

// Counts are what a Store has done since the start. UploadsAbandoned are those that became no body: they
// were given up, or an equal body was there. Sequenced are the entries that it moved into the control log,
// LookupsRepeated the lookups made again because a write of the object was not there yet.
type Counts struct {
	VersionsRemoved, BodiesRemoved, UploadsAbandoned, CorruptChunks uint64
	Sequenced, SequenceFailures, LookupsRepeated                    uint64
}
