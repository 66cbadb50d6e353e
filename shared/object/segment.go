package object

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Version 1 of a segment:
//
//	 0  "TCS" 1
//	 4  body id, 16
//	20  index, 4
//	24  length of data, 4
//	28  data
//	    checksum of all of the above, 8
const (
	offSegmentID     = 4
	offSegmentIndex  = 20
	offSegmentLength = 24
	segmentHead      = 28
	segmentOverhead  = segmentHead + checksumSize
)

// AppendSegment appends segment index of the body id to dst and returns the
// extended slice. data has at most SegmentSize bytes; more is a caller's bug and
// panics.
func AppendSegment(dst []byte, id BodyID, index uint32, data []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, segmentHead)...)
	dst = append(dst, data...)
	return sealSegment(dst, start, id, index)
}

// sealSegment completes the segment in b[start:], which has room for the head and
// then the data, by writing the head and appending the checksum.
func sealSegment(b []byte, start int, id BodyID, index uint32) []byte {
	s := b[start:]
	n := len(s) - segmentHead
	if n > SegmentSize {
		panic(fmt.Sprintf("object: segment of %d bytes", n))
	}
	copy(s, magicSegment)
	s[len(magicSegment)] = version1
	copy(s[offSegmentID:], id[:])
	order.PutUint32(s[offSegmentIndex:], index)
	order.PutUint32(s[offSegmentLength:], uint32(n))
	return order.AppendUint64(b, xxhash.Sum64(s))
}

// DecodeSegment returns the data of the segment that b is, which aliases b. The
// checksum covers id and index, and both must be the ones asked for: a segment in
// another's place is ErrCorrupt, like a damaged one. ErrVersion as for entries.
func DecodeSegment(b []byte, id BodyID, index uint32) ([]byte, error) {
	version, err := readVersion(b, magicSegment)
	if err != nil {
		return nil, err
	}
	switch version {
	case version1:
		return decodeSegmentV1(b, id, index)
	default:
		return nil, fmt.Errorf("%w: segment version %d", ErrVersion, version)
	}
}

func decodeSegmentV1(b []byte, id BodyID, index uint32) ([]byte, error) {
	if len(b) < segmentOverhead || uint64(order.Uint32(b[offSegmentLength:])) != uint64(len(b)-segmentOverhead) {
		return nil, fmt.Errorf("%w: segment of %d bytes", ErrCorrupt, len(b))
	}
	end := len(b) - checksumSize
	if xxhash.Sum64(b[:end]) != order.Uint64(b[end:]) {
		return nil, fmt.Errorf("%w: segment checksum", ErrCorrupt)
	}
	if BodyID(b[offSegmentID:]) != id || order.Uint32(b[offSegmentIndex:]) != index {
		return nil, fmt.Errorf("%w: segment of another body or place", ErrCorrupt)
	}
	return b[segmentHead:end:end], nil
}

// SegmentKey returns the store key of segment index of the body id, whose entry is
// stored under entryKey. It begins with entryKey, so that a store can keep a
// response's values together; with a 16-byte entryKey it has 36 bytes.
func SegmentKey(entryKey string, id BodyID, index uint32) string {
	b := make([]byte, 0, len(entryKey)+len(id)+4)
	b = append(b, entryKey...)
	b = append(b, id[:]...)
	return string(order.AppendUint32(b, index))
}
