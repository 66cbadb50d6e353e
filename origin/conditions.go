package origin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxTags bounds the entity tags of one field.
const maxTags = 100

// Conditions are what a write requires of the object that is there (RFC 9110, 13.1). The zero value
// requires nothing.
type Conditions struct {
	match      tagList
	noneMatch  tagList
	unmodified time.Time // zero: not required; the match condition outranks it
}

// tagList is an If-Match or If-None-Match field: absent, any ("*") or a list.
type tagList struct {
	present, any bool
	tags         []string
}

// ConditionsOf reads the precondition fields of a request. A malformed one is an error, because a
// write whose condition is not understood must not happen.
func ConditionsOf(h http.Header) (Conditions, error) {
	var c Conditions
	var err error
	if c.match, err = parseTagList(h, "If-Match"); err != nil {
		return Conditions{}, err
	}
	if c.noneMatch, err = parseTagList(h, "If-None-Match"); err != nil {
		return Conditions{}, err
	}
	if date := h.Get("If-Unmodified-Since"); date != "" {
		if c.unmodified, err = http.ParseTime(date); err != nil {
			return Conditions{}, fmt.Errorf("If-Unmodified-Since %q is not an HTTP date", date)
		}
	}
	return c, nil
}

// Hold reports whether the conditions are met by the current object, nil when there is none, in the
// order of RFC 9110, 13.2.2. If-Match compares strongly, If-None-Match weakly.
func (c Conditions) Hold(current *Object) bool {
	switch {
	case c.match.present && !c.match.matches(current):
		return false
	case !c.match.present && !c.unmodified.IsZero() && (current == nil || current.LastModified().After(c.unmodified)):
		return false
	}
	return !c.noneMatch.present || !c.noneMatch.weak().matches(current)
}

func (l tagList) matches(current *Object) bool {
	if current == nil {
		return false
	}
	return l.any || slices.Contains(l.tags, current.ETag())
}

// weak is the list for a weak comparison with a strong tag.
func (l tagList) weak() tagList {
	tags := make([]string, len(l.tags))
	for i, t := range l.tags {
		tags[i] = strings.TrimPrefix(t, "W/")
	}
	return tagList{present: l.present, any: l.any, tags: tags}
}

func parseTagList(h http.Header, name string) (tagList, error) {
	lines := h.Values(name)
	if len(lines) == 0 {
		return tagList{}, nil
	}
	l := tagList{present: true}
	rest := strings.Trim(strings.Join(lines, ","), " \t")
	if rest == "*" {
		l.any = true
		return l, nil
	}
	for rest != "" && len(l.tags) < maxTags {
		tag, after, err := cutTag(rest)
		if err != nil {
			return tagList{}, fmt.Errorf("%s: %w", name, err)
		}
		l.tags = append(l.tags, tag)
		rest = strings.TrimLeft(after, " \t,")
	}
	if rest != "" || len(l.tags) == 0 {
		return tagList{}, fmt.Errorf("%s needs 1 to %d entity tags or *", name, maxTags)
	}
	return l, nil
}

// errTag says how an entity tag looks, because leaving out the quotes is what everybody does once.
var errTag = errors.New(`an entity tag is written with its double quotes, such as "abc"`)

// cutTag takes the entity tag that s starts with; what follows it must be a comma or nothing.
func cutTag(s string) (tag, rest string, err error) {
	open := 0
	if strings.HasPrefix(s, "W/") {
		open = 2
	}
	if open >= len(s) || s[open] != '"' {
		return "", "", errTag
	}
	length := strings.IndexByte(s[open+1:], '"')
	if length < 0 {
		return "", "", errTag
	}
	end := open + 1 + length + 1
	rest = strings.TrimLeft(s[end:], " \t")
	if rest != "" && rest[0] != ',' {
		return "", "", errTag
	}
	return s[:end], rest, nil
}
