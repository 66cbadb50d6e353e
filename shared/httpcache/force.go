package httpcache

// Forces reports whether the policy stores the response m to r in spite of no-store, private, no-cache and Set-Cookie.
// It takes a lifetime that the operator has given: what the upstream says of its own counts for nothing then.
//
// INVARIANT: a response to a request with Authorization is never forced, whatever it says, nor one whose status depends
// on more of a request than its URI: 206, and 405, 414 or 501, which a client's odd request may provoke.
func (p *Policy) Forces(r *Request, m *Meta) bool {
	if !p.ForceStore || r.Has(RequestAuthorization) {
		return false
	}
	if !TakesTTL(m.Status) && m.Status != 404 && m.Status != 410 {
		return false
	}
	ttl := p.Override.lifetime(m.Status)
	return ttl != nil && *ttl > 0
}

// Force makes m what counts of a response that is stored by force: without what forbids to store it or to use it
// without validation. The fields stay as they are: caches further on obey them. Set-Cookie must not be stored with it.
func (m *Meta) Force() { m.Flags &^= FlagNoStore | FlagNoCache | FlagPrivate }
