package object

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// Version 1 of an entry:
//
//	 0  "TCE" 1
//	 4  kind, three zero bytes
//	 8  lengths in bytes, 4 each: key, scopes, fields, selecting
//	24  length of the inline body, 4
//	28  number of selecting names, 4
//	32  stamp, 8
//	40  body size, 8
//	48  body id, 16
//	64  checksum of the inline body, 8
//	72  metadata, metaSize
//	    key, scopes, fields, selecting (each name after its length, 4)
//	    checksum of all of the above, 8
//	    inline body
//
// The head's checksum covers the body's, so a body can not be paired with another
// head.
const (
	offKind      = 4
	offLengths   = 8
	offInline    = 24
	offNames     = 28
	offStamp     = 32
	offBodySize  = 40
	offBodyID    = 48
	offBodySum   = 64
	offMeta      = 72
	fixedSize    = offMeta + metaSize
	lengthPrefix = 4
)

// AppendEntry appends the encoded entry to dst and returns the extended slice.
// inline is the whole body when h.BodySize is at most SegmentSize, else nil; it
// panics when inline's length says otherwise, or when a part is 4 GiB or more.
// The entry may exceed what stores accept when its head is above MaxHeadSize.
func AppendEntry(dst []byte, h *Head, inline []byte) []byte {
	if err := checkBody(h, len(inline)); err != nil {
		panic(err.Error())
	}
	start := len(dst)
	dst = appendFixed(dst, h, inline)
	dst = append(dst, h.Key...)
	dst = append(dst, scopeBytes(h.Scopes)...)
	dst = append(dst, h.Fields...)
	for _, name := range h.Selecting {
		dst = order.AppendUint32(dst, length(len(name)))
		dst = append(dst, name...)
	}
	dst = order.AppendUint64(dst, xxhash.Sum64(dst[start:]))
	return append(dst, inline...)
}

// appendFixed appends the part of an entry that is the same size in all of them.
func appendFixed(dst []byte, h *Head, inline []byte) []byte {
	var b [fixedSize]byte
	copy(b[:], magicEntry)
	b[len(magicEntry)] = version1
	b[offKind] = byte(h.Kind)
	parts := [...]int{len(h.Key), len(h.Scopes) * len(Scope{}), len(h.Fields), selectingSize(h.Selecting), len(inline), len(h.Selecting)}
	for i, n := range parts {
		order.PutUint32(b[offLengths+4*i:], length(n))
	}
	order.PutUint64(b[offStamp:], h.Stamp)
	order.PutUint64(b[offBodySize:], uint64(h.BodySize))
	copy(b[offBodyID:], h.BodyID[:])
	order.PutUint64(b[offBodySum:], xxhash.Sum64(inline))
	putMeta(b[offMeta:], &h.Meta)
	return append(dst, b[:]...)
}

// DecodeEntry reads the entry that b is into h and returns its inline body, nil
// when the body is in segments. h's strings and slices and the body alias b,
// except for h.Selecting's array, which is reused when it is large enough; apart
// from that nothing is allocated. Checksums are verified. After ErrCorrupt or
// ErrVersion h is undefined.
func DecodeEntry(b []byte, h *Head) (inline []byte, err error) {
	version, err := readVersion(b, magicEntry)
	if err != nil {
		return nil, err
	}
	switch version {
	case version1:
		return decodeEntryV1(b, h)
	default:
		return nil, fmt.Errorf("%w: entry version %d", ErrVersion, version)
	}
}

func decodeEntryV1(b []byte, h *Head) ([]byte, error) {
	if len(b) < fixedSize+checksumSize {
		return nil, fmt.Errorf("%w: entry of %d bytes", ErrCorrupt, len(b))
	}
	var l layout
	if err := l.read(b); err != nil {
		return nil, err
	}
	inline := b[l.sum+checksumSize:]
	if xxhash.Sum64(b[:l.sum]) != order.Uint64(b[l.sum:]) {
		return nil, fmt.Errorf("%w: entry head checksum", ErrCorrupt)
	}
	if xxhash.Sum64(inline) != order.Uint64(b[offBodySum:]) {
		return nil, fmt.Errorf("%w: inline body checksum", ErrCorrupt)
	}
	if err := l.readHead(b, h); err != nil {
		return nil, err
	}
	if err := checkBody(h, len(inline)); err != nil {
		return nil, err
	}
	if !h.Inline() {
		return nil, nil
	}
	return inline, nil
}

// layout is where the parts of an entry begin; each ends where the next begins.
type layout struct {
	scopes, fields, selecting, sum int
}

// read computes the layout from the lengths that b claims. INVARIANT: they add up
// to exactly len(b), so no part can reach outside of it.
func (l *layout) read(b []byte) error {
	var n [5]uint64
	total := uint64(fixedSize + checksumSize)
	for i := range n {
		n[i] = uint64(order.Uint32(b[offLengths+4*i:]))
		total += n[i]
	}
	if total != uint64(len(b)) {
		return fmt.Errorf("%w: entry of %d bytes claims %d", ErrCorrupt, len(b), total)
	}
	l.scopes = fixedSize + int(n[0])
	l.fields = l.scopes + int(n[1])
	l.selecting = l.fields + int(n[2])
	l.sum = l.selecting + int(n[3])
	return nil
}

// readHead fills h from b, whose head checksum was right.
func (l *layout) readHead(b []byte, h *Head) error {
	h.Kind = Kind(b[offKind])
	h.Key = alias(b[fixedSize:l.scopes])
	h.Stamp = order.Uint64(b[offStamp:])
	h.Meta = readMeta(b[offMeta:])
	h.Fields = Block(b[l.fields:l.selecting:l.selecting])
	h.BodyID = BodyID(b[offBodyID:])
	h.BodySize = int64(order.Uint64(b[offBodySize:]))
	var ok bool
	if h.Scopes, ok = asScopes(b[l.scopes:l.fields]); !ok {
		return fmt.Errorf("%w: scopes", ErrCorrupt)
	}
	if h.Selecting, ok = readSelecting(h.Selecting[:0], b[l.selecting:l.sum], order.Uint32(b[offNames:])); !ok {
		return fmt.Errorf("%w: selecting fields", ErrCorrupt)
	}
	if h.Kind < KindResponse || h.Kind > KindHitForMiss {
		return fmt.Errorf("%w: %s", ErrCorrupt, h.Kind)
	}
	return nil
}

// checkBody reports whether an inline body of n bytes is what h says.
func checkBody(h *Head, n int) error {
	want := h.BodySize
	if !h.Inline() {
		want = 0
	}
	if h.BodySize < 0 || int64(n) != want {
		return fmt.Errorf("%w: inline body of %d bytes for a body of %d", ErrCorrupt, n, h.BodySize)
	}
	return nil
}

// selectingSize returns the bytes that names take in an entry.
func selectingSize(names []string) int {
	size := 0
	for _, name := range names {
		size += lengthPrefix + len(name)
	}
	return size
}

// readSelecting appends the count names in b to dst. b holds exactly those; since
// each takes at least its length, b bounds what is appended, whatever is claimed.
func readSelecting(dst []string, b []byte, count uint32) ([]string, bool) {
	for len(b) >= lengthPrefix {
		n := uint64(order.Uint32(b))
		b = b[lengthPrefix:]
		if n > uint64(len(b)) {
			return dst, false
		}
		dst = append(dst, alias(b[:n]))
		b = b[n:]
	}
	return dst, len(b) == 0 && uint64(len(dst)) == uint64(count)
}

// asScopes returns b as scopes without copying: a Scope is an array of bytes, so
// any address is aligned for it.
func asScopes(b []byte) ([]Scope, bool) {
	if len(b)%len(Scope{}) != 0 {
		return nil, false
	}
	if len(b) == 0 {
		return nil, true
	}
	return unsafe.Slice((*Scope)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/len(Scope{})), true
}

// scopeBytes is asScopes' inverse.
func scopeBytes(s []Scope) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice(&s[0][0], len(s)*len(Scope{}))
}

// length returns n as it is stored. A part of 4 GiB is a caller's bug: whatever
// reads messages bounds them far below.
func length(n int) uint32 {
	if n > math.MaxUint32 {
		panic(fmt.Sprintf("object: part of %d bytes", n))
	}
	return uint32(n)
}

// EntrySize returns how many bytes the encoded entry of h takes, its inline body
// included: what AppendEntry needs room for.
func EntrySize(h *Head) int {
	size := fixedSize + len(h.Key) + len(h.Scopes)*len(Scope{}) + len(h.Fields) + selectingSize(h.Selecting) + checksumSize
	if h.Inline() {
		size += int(h.BodySize)
	}
	return size
}
