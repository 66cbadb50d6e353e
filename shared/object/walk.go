package object

import (
	"context"
	"fmt"
	"iter"

	"github.com/cespare/xxhash/v2"
)

// EntryKeySize is the length in bytes of the keys of entries. Those of segments are longer.
const EntryKeySize = 16

// Walker is what a [Store] offers beside whose entries can be gone through. A walk counts as no lookup, and changes
// nothing that is stored.
type Walker interface {
	// Walk yields the values under keys of EntryKeySize, in the order of a hash that clients cannot choose, so that what
	// has been seen of a walk is a random sample of it. Each value that is there from begin to end is yielded, as it is
	// at that moment; one that comes or goes meanwhile may be, and a store over the network may yield one twice while it
	// grows. An error is the last thing that is yielded.
	Walk(ctx context.Context) iter.Seq2[Item, error]
	// Values is how many values there are to pass, segments and what is not of this cache included.
	Values(ctx context.Context) (int, error)
}

// Item is what a walk has come to.
type Item struct {
	Key string
	// Value begins with the whole head of an entry, if it is one; a longer body may be cut off. Its owner is whoever is
	// given it.
	Value []byte
	// Passed is how many values of any kind the walk has passed, this one included.
	Passed int
}

// EntryPrefix is how many bytes of an entry say how long its head is.
const EntryPrefix = offStamp

// HeadSize returns how many bytes the head of the entry takes that begins with b, of which there are EntryPrefix at
// least. Errors: ErrCorrupt, ErrVersion.
func HeadSize(b []byte) (int, error) {
	version, err := readVersion(b, magicEntry)
	switch {
	case err != nil:
		return 0, err
	case version != version1:
		return 0, fmt.Errorf("%w: entry version %d", ErrVersion, version)
	case len(b) < EntryPrefix:
		return 0, fmt.Errorf("%w: entry of %d bytes", ErrCorrupt, len(b))
	}
	size := uint64(fixedSize + checksumSize)
	for i := range 4 { // key, scopes, fields, selecting
		size += uint64(order.Uint32(b[offLengths+4*i:]))
	}
	if size > MaxValueSize {
		return 0, fmt.Errorf("%w: a head of %d bytes", ErrCorrupt, size)
	}
	return int(size), nil
}

// DecodeHead is DecodeEntry for who has the head alone, or needs nothing else: the body is neither read nor checked.
func DecodeHead(b []byte, h *Head) error {
	size, err := HeadSize(b)
	if err != nil {
		return err
	}
	if len(b) < size {
		return fmt.Errorf("%w: %d bytes of a head of %d", ErrCorrupt, len(b), size)
	}
	sum := size - checksumSize
	if xxhash.Sum64(b[:sum]) != order.Uint64(b[sum:]) {
		return fmt.Errorf("%w: entry head checksum", ErrCorrupt)
	}
	l := layout{sum: sum}
	l.scopes = fixedSize + int(order.Uint32(b[offLengths:]))
	l.fields = l.scopes + int(order.Uint32(b[offLengths+4:]))
	l.selecting = l.fields + int(order.Uint32(b[offLengths+8:]))
	if err := l.readHead(b, h); err != nil {
		return err
	}
	if h.BodySize < 0 {
		return fmt.Errorf("%w: a body of %d bytes", ErrCorrupt, h.BodySize)
	}
	return nil
}
