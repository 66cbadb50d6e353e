package proxy

import (
	"strings"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// selectingNames are the names in Vary by which variants are told apart: without those of fields that are the
// same in each request for a key, since this node drops them or makes them from what the key contains. ok is
// false when one of the rest is a field that this node writes anew: what the next tier saw is then not what a
// client sends.
func selectingNames(names []string) (selecting []string, ok bool) {
	for _, name := range names {
		switch {
		case rewritten(name):
			return nil, false
		case !dropped(name):
			selecting = append(selecting, name)
		}
	}
	return selecting, true
}

// rewritten are fields that each tier sets and that differ from client to client or from path to path.
func rewritten(name string) bool {
	switch name {
	case "x-forwarded-for", "via", "cdn-loop", "traceparent", "tracestate":
		return true
	}
	return false
}

// dropped reports whether a client's field of that name does not reach the upstream, or not as the client's:
// what is not part of the key must not change what everybody is given.
func dropped(name string) bool {
	if len(name) >= len(tierPrefix) && strings.EqualFold(name[:len(tierPrefix)], tierPrefix) {
		return true
	}
	return httpcache.Unkeyed(name) || strings.EqualFold(name, "Host")
}

// A list of variants has a generation, which is part of its variants' keys: when the list is removed and made
// anew, what the old one led to stays out of reach.

// generationOf is the generation of a list of variants.
func generationOf(list *object.Head) []byte { return list.BodyID[:] }

// generationIn is the generation in the key of a variant.
func generationIn(key string) string { return key[max(0, len(key)-len(object.BodyID{})):] }
