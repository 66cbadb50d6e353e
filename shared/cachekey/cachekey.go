// Package cachekey builds the keys under which responses are stored.
//
// It owns three byte encodings and one digest:
//
//   - [Append] encodes the primary key of a request: which service it belongs
//     to, the fingerprint of the rules that shaped it, and its URI;
//   - [AppendVariant] encodes the key of one variant of it, selected by the
//     request fields that the stored response named in Vary (RFC 9111, 4.1);
//   - [AppendPart] encodes the key of a part of a body;
//   - [Digest] shortens any of them to the 16 bytes by which stores address entries.
//
// Each part is preceded by its length and each encoding by its own tag, so two
// different requests never give the same bytes, whatever the parts contain. A
// digest may collide; a stored entry therefore carries the whole key, and who
// looks it up compares: a collision costs a miss and never shows one client
// another's content.
//
// The package refuses to normalise. Host case, default ports, the order of query
// parameters and the names that select a variant are decided by policy before a
// key is made; here bytes are taken as they come. It has no I/O, no clock and
// no state. [Parse] reads a key again. Start reading at [Append].
package cachekey

import "encoding/binary"

// Tags keep the encodings apart: no primary key has the bytes of a variant's.
// The digit is the encoding's version; a change of either makes all stored
// entries unreachable, which is safe and costs one cold cache.
const (
	tagPrimary = "tck1P"
	tagVariant = "tck1V"
	tagPart    = "tck1R"
)

// Parts is what a primary key is made of. Parts are taken byte for byte.
type Parts struct {
	// Service is the name of the service that the request was routed to.
	Service string
	// Fingerprint stands for every rule that decides key, tags or storability,
	// so that entries made under other rules are out of reach.
	Fingerprint uint64
	// Scheme is "http" or "https" as the client's request had it.
	Scheme string
	// Host is the request's host, lower-case and without a default port.
	Host string
	// Target is the path and query after the service's key rules were applied.
	Target string
}

// Append appends the primary key of p to dst and returns the extended slice. It
// allocates only when dst lacks room. Distinct p give distinct bytes.
func Append(dst []byte, p Parts) []byte {
	dst = append(dst, tagPrimary...)
	dst = binary.LittleEndian.AppendUint64(dst, p.Fingerprint)
	dst = appendString(dst, p.Service)
	dst = appendString(dst, p.Scheme)
	dst = appendString(dst, p.Host)
	return appendString(dst, p.Target)
}

// appendString appends the length of s and s: a reader always knows where the
// next part starts, so no content of one part can pass for another's.
func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
