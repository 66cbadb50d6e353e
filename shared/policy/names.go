package policy

import (
	"fmt"
	"slices"
	"strings"

	"tiercache/shared/httpcache"
)

// validateNames checks a list of names: how many, each for itself, none twice. valid says what is wrong with one.
func validateNames(field string, names []string, most int, valid func(string) string) *FieldError {
	if len(names) > most {
		return &FieldError{field, fmt.Sprintf("%d names: at most %d", len(names), most)}
	}
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", field, i)
		if reason := valid(name); reason != "" {
			return &FieldError{at, fmt.Sprintf("%q: %s", name, reason)}
		}
		if slices.Contains(names[:i], name) {
			return &FieldError{at, fmt.Sprintf("%q is listed twice", name)}
		}
	}
	return nil
}

// validParam says what is wrong with the name of a parameter, stars included.
func validParam(name string) string {
	switch {
	case name == "" || len(name) > maxNameBytes || strings.Count(name, "*") > maxStars:
		return fmt.Sprintf("a parameter has 1-%d bytes and at most %d stars", maxNameBytes, maxStars)
	case !printable(name) || strings.ContainsAny(name, "&=#"):
		return "no parameter of a query has such a name: write it as requests do, percent-encoded"
	}
	return ""
}

// validParamName is validParam for a name that stands for itself.
func validParamName(name string) string {
	if strings.Contains(name, "*") {
		return "a star may be in the pattern for the value, not in the name"
	}
	return validParam(name)
}

// validCookie says what is wrong with the name of a cookie.
func validCookie(name string) string {
	if !isToken(name) || len(name) > maxNameBytes {
		return "is not the name of a cookie"
	}
	return ""
}

// validField says why rules may not ask for a request field: each tier must see it as the client sent it, and it must
// be about the request, not about the connection or about what the client has stored.
func validField(name string) string {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name) || len(name) > maxNameBytes:
		return "is not the name of a field"
	case strings.ContainsRune(name, '_'):
		return "fields with an underscore are dropped"
	case strings.HasPrefix(lower, "tiercache-"), httpcache.Unkeyed(name), isOneOf(lower, ownFields):
		return "the field is dropped, or set by each node"
	case strings.HasPrefix(lower, "if-"), strings.HasPrefix(lower, "content-"), isOneOf(lower, messageFields), httpcache.HopByHop(name):
		return "the field is about the connection, the message or what the client has stored"
	}
	return ""
}

// validKeyField is validField for a field that is to be part of keys.
func validKeyField(name string) string {
	switch strings.ToLower(name) {
	case "cookie":
		return "list the cookies that count in key.cookies"
	case "authorization":
		return "credentials do not belong into keys"
	}
	return validField(name)
}

// ownFields are those that a node writes itself, and messageFields those that do not describe what is asked for, beside
// those that httpcache.HopByHop knows. Spaces separate them.
const (
	ownFields     = "host via cdn-loop traceparent tracestate"
	messageFields = "range expect"
)

func isOneOf(name, list string) bool { return slices.Contains(strings.Fields(list), name) }

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// printable reports whether all of s is visible ASCII, as all of a target is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
