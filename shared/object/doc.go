// Package object is the one format in which responses are kept, in every store.
//
// It owns:
//
//   - the entry, which holds a response's head (key, stamp, scopes, parsed
//     metadata, header block) and, when it fits in one segment, its body;
//   - the segment, a piece of at most [SegmentSize] bytes of a larger body;
//   - [Store], what a store must do, and [Writer] and [Reader], which take a body
//     through one;
//   - [Block], a header block in wire form that answers without being parsed.
//
// Both formats carry a version and checksums. A reader switches on the version,
// so entries written by an older release stay readable; bytes that are damaged,
// cut short or in the wrong place are an error and never a response.
//
// The package refuses to know where bytes are kept, what time it is, and whether
// an entry may be used: freshness is shared/httpcache's, purges are
// shared/invalidation's. It has no logger and reads no clock; randomness is
// passed in.
//
// Start reading at [Head], then [AppendEntry] and [DecodeEntry] in entry.go; the
// order of writes that keeps readers safe is in writer.go.
package object
