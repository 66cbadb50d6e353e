package httpcache

// entityTag is a parsed entity tag (RFC 9110, 8.8.3).
type entityTag struct {
	opaque string // with its quotes
	weak   bool
}

// cutETag takes an entity tag from the front of s.
func cutETag(s string) (tag entityTag, rest string, ok bool) {
	if len(s) >= 2 && s[0] == 'W' && s[1] == '/' {
		tag.weak = true
		s = s[2:]
	}
	if s == "" || s[0] != '"' {
		return entityTag{}, s, false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			tag.opaque = s[:i+1]
			return tag, s[i+1:], true
		case c < 0x21 || c == 0x7f:
			return entityTag{}, s, false
		}
	}
	return entityTag{}, s, false
}

// parseETag reads a field value that is one entity tag.
func parseETag(s string) (entityTag, bool) {
	tag, rest, ok := cutETag(trim(s))
	return tag, ok && rest == ""
}

// storedETag is the entity tag of a response; a field with several lines has none.
func storedETag(h Header) (entityTag, bool) {
	value, present, several := single(h, "ETag")
	if !present || several {
		return entityTag{}, false
	}
	return parseETag(value)
}

// weakMatch and strongMatch compare as RFC 9110, 8.8.3.2 says.
func weakMatch(a, b entityTag) bool { return a.opaque == b.opaque }

func strongMatch(a, b entityTag) bool { return a == b && !a.weak }

// matchesAny reports whether one of the tags in an If-None-Match line weakly matches tag. Reading stops
// at the first member that is no entity tag: a list that cannot be read may cost a full reply, never a
// wrong 304. A backslash in a tag is a character like any other.
func matchesAny(line string, tag entityTag) bool {
	for s := trim(line); s != ""; {
		if s[0] == ',' {
			s = trim(s[1:])
			continue
		}
		other, rest, ok := cutETag(s)
		rest = trim(rest)
		if !ok || rest != "" && rest[0] != ',' {
			return false
		}
		if weakMatch(other, tag) {
			return true
		}
		s = rest
	}
	return false
}
