package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"

	"tiercache/shared/httpcache"
)

// digester checks a body against the Repr-Digest that came with it (RFC 9530). A nil digester accepts
// all.
type digester struct {
	hash hash.Hash
	want []byte
}

// newDigester returns nil unless the response promises a SHA-256 of just this body: the digest is that
// of the whole representation, so only a 200 can be checked.
func newDigester(h httpcache.Header, status int) *digester {
	if status != http.StatusOK {
		return nil
	}
	for value := range h.Values("Repr-Digest") {
		for member := range strings.SplitSeq(value, ",") {
			if encoded, ok := strings.CutPrefix(strings.TrimSpace(member), "sha-256=:"); ok {
				want, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":"))
				if err == nil && len(want) == sha256.Size {
					return &digester{hash: sha256.New(), want: want}
				}
			}
		}
	}
	return nil
}

func (d *digester) write(chunk []byte) {
	if d != nil {
		d.hash.Write(chunk)
	}
}

func (d *digester) matches() bool {
	return d == nil || bytes.Equal(d.hash.Sum(nil), d.want)
}
