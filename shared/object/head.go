package object

import (
	"fmt"
	"io"

	"tiercache/shared/httpcache"
)

// SegmentSize is the most bytes of a body that one stored value holds. A body of
// up to this size lives in its entry; a longer one in segments of exactly this
// size, the last one shorter. It bounds what a store's event loop or lock is held
// for, and what one hit must copy.
const SegmentSize = 256 << 10

// MaxHeadSize is the most bytes that an entry may take beyond its inline body.
// [AppendEntry] does not enforce it: stores refuse the value with [ErrTooLarge].
const MaxHeadSize = 64 << 10

// MaxValueSize is the largest value that a [Store] takes, in bytes.
const MaxValueSize = SegmentSize + MaxHeadSize

// MaxKeySize is the longest key that a [Store] takes, in bytes.
const MaxKeySize = 256

// BodyID names one body as it was received: segments of different fills of the
// same key never mix. It is random, see [NewBodyID].
type BodyID [16]byte

// Scope is the hash of something that a purge can name: a service, host, path
// prefix, tag or URL.
type Scope [16]byte

// Kind says what an entry is.
type Kind uint8

// Kinds of entries. Zero is none of them, so a zeroed head is refused.
const (
	// KindResponse is a stored response.
	KindResponse Kind = iota + 1
	// KindVariants lists, in Selecting, the request fields that select among the
	// responses of a primary key. It has no body.
	KindVariants
	// KindHitForMiss remembers that responses of this key may not be stored, so
	// that requests do not wait for each other. It has no body.
	KindHitForMiss
)

// String returns the kind's name for logs and debugging.
func (k Kind) String() string {
	switch k {
	case KindResponse:
		return "response"
	case KindVariants:
		return "variants"
	case KindHitForMiss:
		return "hit-for-miss"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// Head is all of an entry but the body.
type Head struct {
	Kind Kind
	// Key is the whole cache key. Stores address entries by a digest of it, so
	// who looks an entry up compares Key before using anything else.
	Key string
	// Stamp is the epoch as of which the response is known to be good.
	Stamp uint64
	// Scopes are what a purge may name to reach this entry.
	Scopes []Scope
	// Meta was parsed when the response arrived; a hit parses nothing.
	Meta httpcache.Meta
	// Fields is the header block that is sent to clients.
	Fields Block
	// Selecting names the request fields that selected this response or, in
	// KindVariants, select among its siblings.
	Selecting []string
	// BodyID names the body's segments. It matters only when BodySize is above
	// SegmentSize.
	BodyID BodyID
	// BodySize is the whole body's length in bytes.
	BodySize int64
}

// Inline reports whether the body is part of the entry.
func (h *Head) Inline() bool { return h.BodySize <= SegmentSize }

// Segments returns how many segments the body has: 0 when it is inline.
func (h *Head) Segments() uint32 {
	if h.Inline() {
		return 0
	}
	return uint32((h.BodySize + SegmentSize - 1) / SegmentSize)
}

// segmentLength returns how many bytes segment index of the body must have.
func (h *Head) segmentLength(index uint32) int {
	return int(min(h.BodySize-int64(index)*SegmentSize, SegmentSize))
}

// NewBodyID draws an id from random, which must be unpredictable and of good
// quality: crypto/rand.Reader outside tests. The error is random's.
func NewBodyID(random io.Reader) (BodyID, error) {
	var id BodyID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return BodyID{}, fmt.Errorf("draw body id: %w", err)
	}
	return id, nil
}
