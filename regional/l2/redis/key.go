package redis

import "encoding/base64"

// digestSize is how much of a key decides its slot: an entry's whole key, with
// which the keys of its segments begin.
const digestSize = 16

// encodeKey returns the name of key in Redis: prefix{digest}rest, both parts in
// base64url. Braces are Redis' mark of the part that decides the slot, so an entry
// and its segments are on one node of a Cluster. Distinct keys have distinct names.
func encodeKey(prefix, key string) string {
	digest, rest := key, ""
	if len(key) > digestSize {
		digest, rest = key[:digestSize], key[digestSize:]
	}
	name := make([]byte, 0, len(prefix)+2+base64.RawURLEncoding.EncodedLen(len(digest))+base64.RawURLEncoding.EncodedLen(len(rest)))
	name = append(name, prefix...)
	name = append(name, '{')
	name = base64.RawURLEncoding.AppendEncode(name, []byte(digest))
	name = append(name, '}')
	name = base64.RawURLEncoding.AppendEncode(name, []byte(rest))
	return string(name)
}
