package controllog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFetchReply says that a reply to a Fetch cannot be read.
var ErrFetchReply = errors.New("bad reply to a fetch")

// HeadHeader is the field by which control's HTTP answers say FetchReply.Head, in decimal.
const HeadHeader = "Tiercache-Head"

// TierHeader is the field in which a node shows control the secret of its fleet.
const TierHeader = "Tiercache-Tier"

// FetchReply answers a Fetch over NATS. Over HTTP the same is said by a status, by HeadHeader and by a body of
// entries.
type FetchReply struct {
	// Head is the last epoch of the log, read after the request had arrived.
	Head uint64
	// Compacted: the entries behind After are not kept any more; an image is needed.
	Compacted bool
	// Branched: what the node has through After is another branch of the log; an image is needed.
	Branched bool
	// Refused says, in words, why there are no entries.
	Refused string
	// Entries are the next ones behind After, as AppendEntry makes them, about MaxFetch bytes of them at most.
	Entries []byte
}

// The form of a FetchReply: version, flags, head, length of Refused, Refused, Entries.
const (
	fetchReplyVersion = 1
	fetchReplyHead    = 1 + 1 + 8 + 2
	flagCompacted     = 1
	flagBranched      = 2
	maxRefused        = 1 << 10
)

// AppendBinary appends the reply as it travels. It never fails.
func (r *FetchReply) AppendBinary(dst []byte) ([]byte, error) {
	var flags byte
	if r.Compacted {
		flags = flagCompacted
	}
	if r.Branched {
		flags |= flagBranched
	}
	refused := r.Refused[:min(len(r.Refused), maxRefused)]
	dst = append(dst, fetchReplyVersion, flags)
	dst = binary.BigEndian.AppendUint64(dst, r.Head)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(refused)))
	dst = append(dst, refused...)
	return append(dst, r.Entries...), nil
}

// DecodeFetchReply reads what AppendBinary wrote; Entries are a part of b. Errors: ErrFetchReply.
func DecodeFetchReply(b []byte) (FetchReply, error) {
	if len(b) < fetchReplyHead {
		return FetchReply{}, fmt.Errorf("%w: %d bytes", ErrFetchReply, len(b))
	}
	if b[0] != fetchReplyVersion || b[1]&^(flagCompacted|flagBranched) != 0 {
		return FetchReply{}, fmt.Errorf("%w: version %d, flags %x", ErrFetchReply, b[0], b[1])
	}
	r := FetchReply{Head: binary.BigEndian.Uint64(b[2:]), Compacted: b[1]&flagCompacted != 0, Branched: b[1]&flagBranched != 0}
	n, rest := int(binary.BigEndian.Uint16(b[10:])), b[fetchReplyHead:]
	if n > min(len(rest), maxRefused) {
		return FetchReply{}, fmt.Errorf("%w: a text of %d bytes", ErrFetchReply, n)
	}
	r.Refused, r.Entries = string(rest[:n]), rest[n:]
	return r, nil
}
