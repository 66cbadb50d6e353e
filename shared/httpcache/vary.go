package httpcache

import (
	"slices"
	"strings"
)

// MaxVaryNames bounds the request fields that may select a response. Beyond it nothing matches.
const MaxVaryNames = 32

// ParseVary reads Vary, all lines of it, as names that are lower-case, sorted and unique. star is true
// when no other request can match: a member is "*" (RFC 9111, 4.1) or no field name at all, or there are
// more than MaxVaryNames.
func ParseVary(h Header) (names []string, star bool) {
	l := linesOf(h, "Vary")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for name, more := members.next(); more; name, more = members.next() {
			if name == "*" || !isToken(name) || len(names) == MaxVaryNames {
				return nil, true
			}
			names = addSorted(names, strings.ToLower(name))
		}
	}
	return names, false
}

func addSorted(names []string, name string) []string {
	at, found := slices.BinarySearch(names, name)
	if found {
		return names
	}
	return slices.Insert(names, at, strings.Clone(name))
}

// AppendSelecting appends the request's value of a field that Vary names, in a form in which values that mean
// the same are equal: several lines are one list, and outside quoted strings white space is none before
// a comma, one space after it and one between words (RFC 9111, 4.1). Accept-Encoding and Accept-Language, which
// most responses vary by, are put in order as well. Cookie and other fields that are no lists, in which white space may
// mean something, are taken as they are. A field that is absent differs from one that is empty.
//
// With an Indexed header, and no field of several lines, it allocates nothing but what dst lacks.
func AppendSelecting(dst []byte, h Header, name string) (value []byte, present bool) {
	if _, present, _ := single(h, name); !present {
		return dst, false
	}
	return appendSelecting(dst, name, trim(joined(h, name))), true
}

func appendSelecting(dst []byte, name, value string) []byte {
	if ordered(name) {
		if normal, ok := appendPreferences(dst, name, value); ok {
			return normal
		}
	}
	if isNormal(value) || noList(name) {
		return append(dst, value...)
	}
	return appendNormal(dst, value)
}

// noList reports whether a request field is known to be no list.
func noList(name string) bool {
	return nameIn(name, []string{"Authorization", "Cookie", "Origin", "Referer", "User-Agent"})
}

// isNormal reports whether appendNormal would change nothing. s is trimmed.
func isNormal(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end, ok := quotedEnd(s[i:])
			if !ok {
				return true
			}
			i += end - 1
		case '\t':
			return false
		case ' ':
			if isSpace(s[i+1]) || s[i+1] == ',' {
				return false
			}
		case ',':
			if i+1 < len(s) && s[i+1] != ' ' {
				return false
			}
		}
	}
	return true
}

// appendNormal appends s, which is trimmed, in the form of AppendSelecting. An unbalanced quote and what
// follows it stay as they are.
func appendNormal(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			end, _ := quotedEnd(s[i:])
			dst = append(dst, s[i:i+end]...)
			i += end - 1
		case isSpace(c):
			if !endsWith(dst, ' ') && s[i+1] != ',' && !isSpace(s[i+1]) {
				dst = append(dst, ' ')
			}
		case c == ',':
			dst = append(dst, ',')
			if i+1 < len(s) {
				dst = append(dst, ' ')
			}
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func endsWith(b []byte, c byte) bool {
	return len(b) > 0 && b[len(b)-1] == c
}
