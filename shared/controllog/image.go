package controllog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/invalidation"
)

// Image is the whole state of a replica: for nodes that join or were reset, and for a node's disk. What it holds
// is shared with the replica's entries and must not be written to.
type Image struct {
	Index    *invalidation.Snapshot // Index.Applied is the epoch of the image
	Chain    uint64                 // the hash of the log through that epoch; 0: not known
	Services []ServiceChange        // by name
	Tokens   []TokenChange          // by id
}

// Applied is the epoch of the image.
func (m *Image) Applied() uint64 { return m.Index.Applied }

// CompactedImage is the state behind a log whose entries up to floor are gone: services and tokens are what they
// made active, and their purges are one hard floor, so responses with older stamps are dead. A replica that is
// restored from it goes on with the entries behind floor.
func CompactedImage(floor uint64, services []ServiceChange, tokens []TokenChange) *Image {
	index := &invalidation.Snapshot{Applied: floor, Newest: floor, Hard: floor, Oldest: floor}
	return &Image{Index: index, Services: services, Tokens: tokens}
}

// Image copies the state. It holds up Apply meanwhile: some 15 ms for a full index.
func (r *Replica) Image() *Image {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Image{Index: r.index.Snapshot(), Chain: r.mu.chain, Services: byName(r.mu.services), Tokens: byID(r.mu.tokens)}
}

// Restore replaces the state by that of an image. ErrOldImage when the image is older than what was applied;
// nothing is changed then.
//
// INVARIANT: applied never goes back. Else a reader that had loaded it before would pass on an epoch whose
// purges it was not checked against.
func (r *Replica) Restore(m *Image) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Applied() < r.Applied() {
		return fmt.Errorf("%w: %d, applied %d", ErrOldImage, m.Applied(), r.Applied())
	}
	r.mu.chain = m.Chain
	clear(r.mu.services)
	for _, c := range m.Services {
		r.mu.services[c.Name] = c
	}
	clear(r.mu.tokens)
	for _, c := range m.Tokens {
		r.mu.tokens[c.ID] = c
	}
	r.servicesVersion.Add(1)
	r.tokensVersion.Add(1)
	r.index.Restore(m.Index)
	return nil
}

// Disown makes everything dead that was stamped through an epoch or before the image's own. It is for an image that replaces
// the view of a node which had applied another branch of the log through that epoch: stamps of that branch cannot be
// told from those of this one.
func (m *Image) Disown(through uint64) {
	index := *m.Index // the purges are shared
	index.Hard = max(index.Hard, index.Applied, through+1)
	m.Index = &index
}

// Version 2 of an image, all numbers little-endian:
//
//	 0  "TCI" 2
//	 4  length in bytes of the index, the services, the tokens, 4 each
//	16  chain, 8; not in version 1
//	24  the index as invalidation.Snapshot writes it, services and tokens as JSON arrays
//	    checksum (xxHash64) of all of the above, 8
const (
	imageMagic   = "TCI\x02"
	imageParts   = 3
	imageFixed   = 4 + 4*imageParts // of both versions
	chainSize    = 8
	checksumSize = 8
)

// AppendBinary appends the encoded image to dst. An error is one of encoding the documents.
func (m *Image) AppendBinary(dst []byte) ([]byte, error) {
	index, err := m.Index.AppendBinary(nil)
	if err != nil {
		return dst, fmt.Errorf("encode index: %w", err)
	}
	services, err := json.Marshal(m.Services)
	if err != nil {
		return dst, fmt.Errorf("encode services: %w", err)
	}
	tokens, err := json.Marshal(m.Tokens)
	if err != nil {
		return dst, fmt.Errorf("encode tokens: %w", err)
	}
	start, parts := len(dst), [imageParts][]byte{index, services, tokens}
	dst = append(dst, imageMagic...)
	for _, part := range parts {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(part)))
	}
	dst = binary.LittleEndian.AppendUint64(dst, m.Chain)
	for _, part := range parts {
		dst = append(dst, part...)
	}
	return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(dst[start:])), nil
}

// DecodeImage reads what AppendBinary wrote; b is the image and nothing else. Errors: ErrCorrupt, ErrVersion. The
// result does not alias b.
func DecodeImage(b []byte) (*Image, error) {
	const name = len(imageMagic) - 1
	switch {
	case len(b) < imageFixed+checksumSize || string(b[:name]) != imageMagic[:name]:
		return nil, fmt.Errorf("%w: no image", ErrCorrupt)
	case b[name] != imageMagic[name] && b[name] != unchained:
		return nil, fmt.Errorf("%w: image version %d", ErrVersion, b[name])
	}
	var parts [imageParts][]byte
	var chain uint64
	body := b[imageFixed : len(b)-checksumSize]
	if b[name] != unchained {
		if len(body) < chainSize {
			return nil, fmt.Errorf("%w: image of %d bytes is cut short", ErrCorrupt, len(b))
		}
		chain, body = binary.LittleEndian.Uint64(body), body[chainSize:]
	}
	for i := range parts {
		n := uint64(binary.LittleEndian.Uint32(b[4+4*i:]))
		if n > uint64(len(body)) {
			return nil, fmt.Errorf("%w: image of %d bytes is cut short", ErrCorrupt, len(b))
		}
		parts[i], body = body[:n], body[n:]
	}
	if len(body) != 0 || xxhash.Sum64(b[:len(b)-checksumSize]) != binary.LittleEndian.Uint64(b[len(b)-checksumSize:]) {
		return nil, fmt.Errorf("%w: image checksum", ErrCorrupt)
	}
	return decodeParts(parts, chain)
}

func decodeParts(parts [imageParts][]byte, chain uint64) (*Image, error) {
	m := &Image{Chain: chain}
	var err error
	if m.Index, err = invalidation.DecodeSnapshot(parts[0]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err := json.Unmarshal(parts[1], &m.Services); err != nil {
		return nil, fmt.Errorf("%w: services: %w", ErrCorrupt, err)
	}
	if err := json.Unmarshal(parts[2], &m.Tokens); err != nil {
		return nil, fmt.Errorf("%w: tokens: %w", ErrCorrupt, err)
	}
	return m, nil
}
