package invalidation

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// MaxTagSize is the longest canonical tag, in bytes.
const MaxTagSize = 1024

// ErrTag: a tag is empty or too long.
var ErrTag = errors.New("not a tag")

const upperHex = "0123456789ABCDEF"

// CanonicalTag is the one spelling of a tag, for header fields, the API and SQL alike. Visible ASCII stays, but
// for space, comma, quotation mark and a percent sign that starts no escape; an escape stays, with upper-case
// digits; every other byte is escaped. The canonical form of a canonical tag is itself. ErrTag when the result is
// empty or longer than MaxTagSize.
func CanonicalTag(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("%w: it is empty", ErrTag)
	}
	n, same := canonicalSize(s)
	switch {
	case n > MaxTagSize:
		return "", fmt.Errorf("%w: %.40q... has %d bytes when escaped, at most %d", ErrTag, s, n, MaxTagSize)
	case same:
		return s, nil
	}
	b := make([]byte, 0, n)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isEscape(s[i:]):
			b = append(b, '%', upper(s[i+1]), upper(s[i+2]))
			i += 2
		case isPlain(c):
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b), nil
}

// canonicalSize is the length of the canonical form, and whether s already is that form.
func canonicalSize(s string) (n int, same bool) {
	same = true
	for i := 0; i < len(s); i++ {
		switch {
		case isEscape(s[i:]):
			same = same && s[i+1] == upper(s[i+1]) && s[i+2] == upper(s[i+2])
			n += 3
			i += 2
		case isPlain(s[i]):
			n++
		default:
			same = false
			n += 3
		}
	}
	return n, same
}

func isPlain(c byte) bool {
	return c > ' ' && c < 0x7f && c != ',' && c != '"' && c != '%'
}

func isEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}

// ParseTags are the tags of a response, canonical and each once, in the order of their first appearance:
// spaceLines are the values of Surrogate-Key, where spaces separate them, commaLines those of Cache-Tag, where
// commas do. Either may be nil. Errors: ErrTag, ErrTooManyTags.
func ParseTags(spaceLines, commaLines iter.Seq[string]) ([]string, error) {
	p := tagParser{}
	if spaceLines != nil {
		for line := range spaceLines {
			for token := range strings.FieldsFuncSeq(line, isBlank) {
				if err := p.add(token); err != nil {
					return nil, err
				}
			}
		}
	}
	if commaLines != nil {
		for line := range commaLines {
			for token := range strings.SplitSeq(line, ",") {
				if err := p.add(strings.Trim(token, " \t")); err != nil {
					return nil, err
				}
			}
		}
	}
	return p.tags, nil
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

type tagParser struct {
	tags []string
	seen map[string]struct{}
}

// add takes one token; an empty one is no tag.
func (p *tagParser) add(token string) error {
	if token == "" {
		return nil
	}
	tag, err := CanonicalTag(token)
	if err != nil {
		return err
	}
	if _, ok := p.seen[tag]; ok {
		return nil
	}
	if len(p.tags) == MaxTags {
		return ErrTooManyTags
	}
	if p.seen == nil {
		p.seen = make(map[string]struct{})
	}
	p.seen[tag] = struct{}{}
	p.tags = append(p.tags, strings.Clone(tag))
	return nil
}

// distinct is tags with each tag once.
func distinct(tags []string) []string {
	if len(tags) < 2 {
		return tags
	}
	seen := make(map[string]struct{}, len(tags))
	once := make([]string, 0, len(tags))
	for _, tag := range tags {
		if _, ok := seen[tag]; !ok {
			seen[tag] = struct{}{}
			once = append(once, tag)
		}
	}
	return once
}
