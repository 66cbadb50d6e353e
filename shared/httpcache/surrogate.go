package httpcache

import "strings"

// SurrogateField is the targeted field of the Edge Architecture Specification 1.0, 2.2 (a W3C note of 2001), for caches
// that an operator tells to obey it. It is no Structured Field: directives have names in any case, parameters that
// name the cache that is meant, and a lifetime may go on with "+" and how long the response may be used stale.
const SurrogateField = "Surrogate-Control"

// SurrogateToken is this fleet's name in Surrogate-Capability, by which an upstream may address it.
const SurrogateToken = "tiercache"

// SurrogateCapability is the value of the field of that name: Surrogate-Control is understood.
const SurrogateCapability = SurrogateToken + `="Surrogate/1.0"`

// surrogateDirectives reads Surrogate-Control. A directive with a parameter that is not our token is for somebody
// else. ok is false when none is left: then the other fields count.
func surrogateDirectives(h Header) (d directives, ok bool) {
	d = noDirectives()
	l := linesOf(h, SurrogateField)
	for line, more := l.next(); more; line, more = l.next() {
		members := list{rest: line}
		for member, found := members.next(); found; member, found = members.next() {
			end := paramEnd(member)
			if addressed(member[end:]) && d.addSurrogate(trim(member[:end])) {
				ok = true
			}
		}
	}
	return d, ok
}

// addressed reports whether the parameters of a directive, each after a semicolon, name nobody or us.
func addressed(params string) bool {
	none := true
	for params != "" {
		params = params[1:]
		end := paramEnd(params)
		name := trim(params[:end])
		if sameName(name, SurrogateToken) {
			return true
		}
		none = none && name == ""
		params = params[end:]
	}
	return none
}

// addSurrogate takes one directive; false for one that says nothing of storing or freshness.
func (d *directives) addSurrogate(directive string) bool {
	name, value, _ := strings.Cut(directive, "=")
	switch name = trim(name); {
	case sameName(name, "no-store"), sameName(name, "no-store-remote"):
		d.flags |= FlagNoStore
	case sameName(name, "max-age"):
		fresh, stale, more := strings.Cut(trim(value), "+")
		sec, _ := parseDelta(trim(fresh)) // what is no number is stale
		restrict(&d.maxAge, sec)
		if sec, ok := parseDelta(trim(stale)); more && ok {
			restrict(&d.staleWhileRevalidate, sec)
			restrict(&d.staleIfError, sec)
		}
	default:
		return false
	}
	return true
}

// KeepTargeted takes from the stored response before what its targeted field said, when m, which a 304 has freshened,
// has none: the tier that faces clients does not store Surrogate-Control, which is addressed to it alone, and a 304
// that says nothing new changes nothing (RFC 9111, 3.2).
func (m *Meta) KeepTargeted(before *Meta) {
	if m.Flags.Has(FlagTargeted) || !before.Flags.Has(FlagTargeted) {
		return
	}
	const said = FlagNoStore | FlagNoCache | FlagNoCacheFields | FlagPrivate | FlagPrivateFields | FlagPublic | FlagMustRevalidate |
		FlagProxyRevalidate | FlagMustUnderstand | FlagNoTransform | FlagImmutable | FlagExpires | FlagTargeted
	m.Flags = m.Flags&^said | before.Flags&said
	m.Expires, m.MaxAge, m.SMaxAge = before.Expires, before.MaxAge, before.SMaxAge
	m.StaleWhileRevalidate, m.StaleIfError = before.StaleWhileRevalidate, before.StaleIfError
}
