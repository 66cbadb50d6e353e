package controllog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// Version 2 of an entry's frame, all numbers little-endian:
//
//	 0  length of the frame in bytes, 4
//	 4  version, kind, flags (1: a hint), mode
//	 8  epoch, prev, time in Unix ms, 8 each
//	32  length of the id in bytes, 4
//	36  chain, chain of the entry before, 8 each; not in version 1
//	52  id
//	    payload: scopes of 16 bytes for a purge, JSON for others, nothing for a hint or what could not be read
//	    checksum (xxHash64) of all of the above, 8
//
// Frames follow each other without a separator.
const (
	entryVersion = 2
	unchained    = 1 // the version without hashes
	flagHint     = 1
	offVersion   = 4
	offKind      = 5
	offFlags     = 6
	offMode      = 7
	offEpoch     = 8
	offPrev      = 16
	offTime      = 24
	offIDLength  = 32
	entryFixed   = 36 // of both versions
	offChain     = 36
	offPrevChain = 44
	offID        = 52
	scopeSize    = len(object.Scope{})
)

// AppendEntry appends the encoded entry to dst: whole, or as a hint if it is one.
func AppendEntry(dst []byte, e *Entry) []byte { return appendFrame(dst, e, e.Hint) }

// AppendHint appends the encoded entry without its payload.
func AppendHint(dst []byte, e *Entry) []byte { return appendFrame(dst, e, true) }

// AppendMessage appends the entry as it is published: whole, or as a hint when it is larger than HintSize.
func AppendMessage(dst []byte, e *Entry) []byte {
	start := len(dst)
	dst = AppendEntry(dst, e)
	if len(dst)-start > HintSize {
		dst = AppendHint(dst[:start], e)
	}
	return dst
}

func appendFrame(dst []byte, e *Entry, hint bool) []byte {
	start, order := len(dst), binary.LittleEndian
	flags := byte(0)
	if hint {
		flags = flagHint
	}
	dst = append(dst, 0, 0, 0, 0, entryVersion, byte(e.Kind), flags, byte(e.Mode))
	dst = order.AppendUint64(dst, e.Epoch)
	dst = order.AppendUint64(dst, e.Prev)
	dst = order.AppendUint64(dst, uint64(e.Time.UnixMilli()))
	dst = order.AppendUint32(dst, uint32(len(e.ID)))
	dst = order.AppendUint64(dst, e.Chain)
	dst = order.AppendUint64(dst, e.PrevChain)
	dst = append(dst, e.ID...)
	if !hint {
		dst = appendPayload(dst, e)
	}
	order.PutUint32(dst[start:], uint32(len(dst)-start+checksumSize))
	return order.AppendUint64(dst, xxhash.Sum64(dst[start:]))
}

func appendPayload(dst []byte, e *Entry) []byte {
	switch {
	case e.Kind == KindPurge:
		for i := range e.Scopes {
			dst = append(dst, e.Scopes[i][:]...)
		}
	case e.Kind == KindService && e.Service != nil:
		dst = appendJSON(dst, e.Service)
	case e.Kind == KindToken && e.Token != nil:
		dst = appendJSON(dst, e.Token)
	case e.Kind == KindTerm && e.Term != nil:
		dst = appendJSON(dst, e.Term)
	}
	return dst
}

// appendJSON panics for a type that has no JSON, which the three here have.
func appendJSON(dst []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("controllog: " + err.Error())
	}
	return append(dst, b...)
}

// DecodeEntries reads entries that were appended one after the other. The result does not alias b. Errors:
// ErrCorrupt, ErrVersion; entries before the one that is damaged are returned with it.
func DecodeEntries(b []byte) ([]Entry, error) {
	var entries []Entry
	for len(b) > 0 {
		frame, rest, err := cutFrame(b)
		if err != nil {
			return entries, err
		}
		e, err := decodeFrame(frame)
		if err != nil {
			return entries, err
		}
		entries, b = append(entries, e), rest
	}
	return entries, nil
}

// cutFrame splits the first frame off, without its checksum, which holds.
func cutFrame(b []byte) (frame, rest []byte, err error) {
	order := binary.LittleEndian
	if len(b) < entryFixed+checksumSize {
		return nil, nil, fmt.Errorf("%w: entry of %d bytes", ErrCorrupt, len(b))
	}
	n := uint64(order.Uint32(b))
	if n < entryFixed+checksumSize || n > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: entry of %d bytes claims %d", ErrCorrupt, len(b), n)
	}
	end := n - checksumSize
	if xxhash.Sum64(b[:end]) != order.Uint64(b[end:]) {
		return nil, nil, fmt.Errorf("%w: entry checksum", ErrCorrupt)
	}
	return b[:end], b[n:], nil
}

func decodeFrame(b []byte) (Entry, error) {
	order := binary.LittleEndian
	fixed := offID
	switch b[offVersion] {
	case entryVersion:
	case unchained:
		fixed = entryFixed
	default:
		return Entry{}, fmt.Errorf("%w: entry version %d", ErrVersion, b[offVersion])
	}
	id := uint64(order.Uint32(b[offIDLength:]))
	if len(b) < fixed || id > uint64(len(b)-fixed) || b[offFlags]&^flagHint != 0 {
		return Entry{}, fmt.Errorf("%w: entry head", ErrCorrupt)
	}
	e := Entry{
		Epoch: order.Uint64(b[offEpoch:]),
		Prev:  order.Uint64(b[offPrev:]),
		Time:  time.UnixMilli(int64(order.Uint64(b[offTime:]))).UTC(),
		Kind:  Kind(b[offKind]),
		Hint:  b[offFlags]&flagHint != 0,
		Mode:  invalidation.Mode(b[offMode]),
	}
	if fixed == offID {
		e.Chain, e.PrevChain = order.Uint64(b[offChain:]), order.Uint64(b[offPrevChain:])
	}
	name, payload := b[fixed:][:id], b[fixed:][id:]
	e.ID = string(name)
	if err := e.check(len(payload)); err != nil {
		return Entry{}, err
	}
	if err := e.readPayload(payload); err != nil {
		return Entry{}, fmt.Errorf("%w: payload of entry %d: %w", ErrCorrupt, e.Epoch, err)
	}
	return e, nil
}

// check refuses a head that no entry has.
func (e *Entry) check(payload int) error {
	isPurge := e.Kind == KindPurge
	switch {
	case e.Kind < KindPurge || e.Kind > KindTerm:
		return fmt.Errorf("%w: kind %d", ErrVersion, e.Kind)
	case e.Epoch <= e.Prev:
		return fmt.Errorf("%w: entry %d after %d", ErrCorrupt, e.Epoch, e.Prev)
	case isPurge && e.Mode != invalidation.Hard && e.Mode != invalidation.Soft, !isPurge && e.Mode != 0:
		return fmt.Errorf("%w: mode %d", ErrCorrupt, e.Mode)
	case e.Hint && payload != 0, isPurge && payload%scopeSize != 0:
		return fmt.Errorf("%w: payload of %d bytes", ErrCorrupt, payload)
	}
	return nil
}

func (e *Entry) readPayload(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	switch e.Kind {
	case KindService:
		e.Service = new(ServiceChange)
		return json.Unmarshal(b, e.Service)
	case KindToken:
		e.Token = new(TokenChange)
		return json.Unmarshal(b, e.Token)
	case KindTerm:
		e.Term = new(TermChange)
		return json.Unmarshal(b, e.Term)
	}
	e.Scopes = make([]object.Scope, len(b)/scopeSize)
	for i := range e.Scopes {
		e.Scopes[i] = object.Scope(b[i*scopeSize:])
	}
	return nil
}
