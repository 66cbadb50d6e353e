package httpcache

import "slices"

// Limits of cache groups, above the least that a cache must support (RFC 9875, 2).
const (
	maxGroups     = 128
	maxGroupBytes = 256
)

// Groups are the cache groups that a response belongs to: the Strings of Cache-Groups, in any number of lines
// (RFC 9875, 2). They are case-sensitive. A field that is no List of Strings counts as absent; ok is false when it
// has more groups, or a longer name, than this cache keeps: such a response cannot be stored, for it would miss an
// invalidation.
func Groups(h Header) (groups []string, ok bool) { return stringList(h, "Cache-Groups") }

// InvalidatedGroups are the groups whose responses the response to an unsafe request with method makes invalid: the
// Strings of Cache-Group-Invalidation (RFC 9875, 3). On safe methods the field is ignored. ok is false as for Groups.
func InvalidatedGroups(method string, h Header) (groups []string, ok bool) {
	if ParseMethod(method).Safe() {
		return nil, true
	}
	return stringList(h, "Cache-Group-Invalidation")
}

// stringList reads a Structured Field List of Strings (RFC 9651, 4.2.1). Each String is there once.
func stringList(h Header, field string) (names []string, ok bool) {
	p := dictionary{s: joined(h, field)}
	p.skip(' ')
	for p.s != "" {
		var item sfValue
		before := p.s
		if !p.bareItem(&item) || item.kind != sfString {
			return nil, true
		}
		name := stringText(before[:len(before)-len(p.s)])
		if !p.parameters() {
			return nil, true
		}
		if len(names) == maxGroups || len(name) > maxGroupBytes {
			return nil, false
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		p.skipSpace()
		if p.s == "" {
			break
		}
		if !p.take(',') {
			return nil, true
		}
		if p.skipSpace(); p.s == "" { // a comma at the end
			return nil, true
		}
	}
	return names, true
}
