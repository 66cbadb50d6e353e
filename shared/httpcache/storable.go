package httpcache

// Storable says whether the response with header h, read into m, may be stored by a shared cache
// (RFC 9111, 3); ReasonNone is yes. Storing it means keeping StoredFields only. What no later request
// could use is refused too: neither fresh, nor with a validator, nor allowed to be stale.
//
// After Freshen it is asked again: the 304 may have brought no-store or private, and then the stored
// response is removed.
func Storable(r *Request, m *Meta, h Header, p *Policy) Reason {
	forced := p.Forces(r, m)
	if forced {
		told := *m
		told.Force()
		m = &told
	}
	if reason := storableRequest(r, m, p); reason != ReasonNone {
		return reason
	}
	if reason := storableStatus(m.Status); reason != ReasonNone {
		return reason
	}
	if reason := storableDirectives(m); reason != ReasonNone {
		return reason
	}
	if !forced && !p.StoreSetCookie && sharesCookie(h, m) {
		return ReasonSetCookie
	}
	if _, star := ParseVary(h); star {
		return ReasonVaryStar
	}
	if !m.explicit() && !HeuristicallyCacheable(m.Status) && p.Override.lifetime(m.Status) == nil || !m.useful(p) {
		return ReasonNoFreshness
	}
	return ReasonNone
}

func storableRequest(r *Request, m *Meta, p *Policy) Reason {
	switch {
	case r.Method != MethodGet:
		return ReasonMethod
	case r.Has(RequestPrecondition):
		return ReasonPrecondition
	case r.Has(RequestNoStore) && p.HonourRequestDirectives:
		return ReasonRequestNoStore
	case r.Has(RequestAuthorization) && !m.sharesAuthorized():
		return ReasonAuthorization
	}
	return ReasonNone
}

// storableDirectives lets must-understand take back no-store for a status that this cache knows
// (RFC 9111, 5.2.2.3).
func storableDirectives(m *Meta) Reason {
	switch {
	case m.Flags.Has(FlagMustUnderstand):
		if !understood(m.Status) {
			return ReasonMustUnderstand
		}
	case m.Flags.Has(FlagNoStore):
		return ReasonNoStore
	}
	if m.Flags.Has(FlagPrivate) {
		return ReasonPrivate
	}
	return ReasonNone
}

// sharesAuthorized reports whether the response to a request with Authorization may be given to others
// (RFC 9111, 3.5).
func (m *Meta) sharesAuthorized() bool {
	return m.SMaxAge >= 0 || m.Flags.Any(FlagPublic|FlagMustRevalidate)
}

// explicit reports whether the response says that it may be stored, whatever its status.
func (m *Meta) explicit() bool {
	return m.SMaxAge >= 0 || m.MaxAge >= 0 || m.Flags.Any(FlagPublic|FlagExpires)
}

// useful reports whether there is a way in which a later request can use the response.
func (m *Meta) useful(p *Policy) bool {
	if m.HasValidator() {
		return true
	}
	if m.Flags.Has(FlagNoCache) {
		return false
	}
	window := max(m.staleWindow(m.StaleWhileRevalidate, p.Override.StaleWhileRevalidate, p),
		m.staleWindow(m.StaleIfError, p.Override.StaleIfError, p))
	return m.initialAge() < m.Lifetime(p)+window
}

// sharesCookie reports whether a Set-Cookie would be stored, which is not so when the upstream withholds
// the field by name.
func sharesCookie(h Header, m *Meta) bool {
	withheld := withheldFields(h, m)
	for _, name := range setCookies {
		if has(h, name) && !nameIn(name, withheld) {
			return true
		}
	}
	return false
}

// withheldFields are those named by no-cache="f" and private="f".
func withheldFields(h Header, m *Meta) []string {
	if !m.Flags.Any(FlagNoCacheFields | FlagPrivateFields) {
		return nil
	}
	return qualifiedFields(h)
}
