package cachekey

import (
	"encoding/binary"
	"strings"
)

// Form is what kind of key a key is.
type Form uint8

// The forms of a key.
const (
	FormPrimary Form = iota + 1
	FormVariant      // one of the responses of a primary key
	FormPart         // a part of a body that is kept beside where the whole would be
)

// AppendPart appends the key of the part that is kept for a primary key.
func AppendPart(dst, primary []byte) []byte { return append(append(dst, tagPart...), primary...) }

// Parse tells of what request a key is, for who looks at what is stored. ok is false for what no function of this
// package has made.
func Parse(key string) (p Parts, form Form, ok bool) {
	form = FormPrimary
	if rest, part := strings.CutPrefix(key, tagPart); part {
		key, form = rest, FormPart
	} else if rest, variant := strings.CutPrefix(key, tagVariant); variant {
		if key, _, ok = cutString(rest); !ok { // its selecting fields follow
			return Parts{}, 0, false
		}
		form = FormVariant
	}
	rest, ok := strings.CutPrefix(key, tagPrimary)
	if !ok || len(rest) < 8 {
		return Parts{}, 0, false
	}
	p.Fingerprint = binary.LittleEndian.Uint64([]byte(rest[:8]))
	rest = rest[8:]
	for _, part := range [...]*string{&p.Service, &p.Scheme, &p.Host, &p.Target} {
		if *part, rest, ok = cutString(rest); !ok {
			return Parts{}, 0, false
		}
	}
	if rest != "" {
		return Parts{}, 0, false
	}
	return p, form, true
}

// cutString is appendString's inverse: the first part of s, and the rest.
func cutString(s string) (part, rest string, ok bool) {
	n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(s)-size) {
		return "", "", false
	}
	return s[size : size+int(n)], s[size+int(n):], true
}
