package origin

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// digestOf returns the SHA-256 that a request's Repr-Digest or Content-Digest field states (RFC 9530),
// nil when neither does. For a whole PUT the two are the same thing; if both are there they must agree.
// Other algorithms are ignored, as the RFC has it.
func digestOf(h http.Header) (*Digest, error) {
	var found *Digest
	for _, name := range [...]string{"Repr-Digest", "Content-Digest"} {
		d, err := parseDigest(h.Values(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if d == nil {
			continue
		}
		if found != nil && *found != *d {
			return nil, errors.New("Repr-Digest and Content-Digest state different SHA-256 digests")
		}
		found = d
	}
	return found, nil
}

// parseDigest finds the member sha-256 in a dictionary of byte sequences (RFC 9651, 3.2). Base64 has
// no comma, so members can be split without a parser of the whole grammar. The last duplicate counts.
func parseDigest(lines []string) (*Digest, error) {
	var found *Digest
	for member := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		key, value, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		if key != "sha-256" {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		encoded, ok := strings.CutPrefix(strings.TrimRight(value, " \t"), ":")
		encoded, closed := strings.CutSuffix(encoded, ":")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || !closed || err != nil || len(raw) != len(Digest{}) {
			return nil, errors.New("sha-256 is not sha-256=:BASE64: with the base64 of 32 bytes")
		}
		d := Digest(raw)
		found = &d
	}
	return found, nil
}
