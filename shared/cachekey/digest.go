package cachekey

import "github.com/zeebo/xxh3"

// Digest returns the 128-bit XXH3 of key: the address of an entry in every store.
// The hash is fast and not cryptographic, so who chooses URLs may make two of
// them meet. The whole key is kept in the entry and compared, so that costs them
// a miss and nothing else. It does not allocate.
func Digest(key []byte) [16]byte {
	return xxh3.Hash128(key).Bytes()
}
