package invalidation

import "strings"

// A cache group (RFC 9875) of a host is a tag of a reserved form, so that it costs what a tag does and is purged like
// one: "cache-group:HOST/NAME". Who names that tag in Surrogate-Key joins the group. That does no harm: a tag only adds
// to the purges that reach a response, and counts within its service alone.
const groupPrefix = "cache-group:"

// GroupTag is the canonical tag of the responses of a host that are in the group with that name. The host is in lower
// case and without port. Names are case-sensitive, and different ones have different tags. Errors: ErrTag for a name
// that makes the tag too long.
func GroupTag(host, name string) (string, error) {
	// Unlike that of a tag, a percent sign of a name begins no escape.
	return CanonicalTag(groupPrefix + host + "/" + strings.ReplaceAll(name, "%", "%25"))
}

// AnyGroupTag is the canonical tag of the responses of a host that are in any group.
func AnyGroupTag(host string) string { return groupPrefix + host }

// GroupHost is the host of a tag that GroupTag or AnyGroupTag has made; ok is false for other tags.
func GroupHost(tag string) (host string, ok bool) {
	rest, ok := strings.CutPrefix(tag, groupPrefix)
	host, _, _ = strings.Cut(rest, "/")
	return host, ok && host != ""
}
