package httpcache

import "slices"

// hopByHop are the fields of one connection (RFC 9110, 7.6.1; HTTP2-Settings: RFC 7540, 3.2.1) and those of a proxy's
// own authentication (RFC 9111, 3.1). Trailer goes with the framing that it belongs to.
var hopByHop = [...]string{
	"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
	"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
}

// HopByHop reports whether a field is never passed on, whatever Connection names: it is of one connection, or of a
// proxy's own authentication.
func HopByHop(name string) bool { return nameIn(name, hopByHop[:]) }

// endToEnd are fields that a Connection field cannot remove. A sender must not name such fields there
// (RFC 9110, 7.6.1); one that does wants to take away, behind our back, what the next tier decides by:
// credentials, the loop guard, who asks for what, or how long the answer is good.
var endToEnd = [...]string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Age", "Authorization", "Cache-Control", "CDN-Cache-Control", "CDN-Loop", "Content-Encoding", "Content-Length",
	"Content-Range", "Content-Type", "Cookie", "Date", "ETag", "Expires", "Forwarded", "Host", "Last-Modified",
	"Location", "Origin", "Referer", "Set-Cookie", "User-Agent", "Vary", "Via",
}

// endToEndPrefixes are families of such fields.
var endToEndPrefixes = [...]string{"X-Forwarded-", "Tiercache-", "If-"}

// conditionFields are a client's own conditions and its range. They are about what the client has, not
// about what the cache has.
var conditionFields = [...]string{
	"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range",
}

// StoredFields are the fields of a response to keep, in memory of their own: without those of the
// connection, without those that Connection or the qualified no-cache="f" and private="f" name, without
// Age, which is in m and grows (RFC 9111, 3.1). A response without a valid Date gets that of its arrival
// (RFC 9110, 6.6.1). It may be called again on its own result.
func StoredFields(h Header, m *Meta) Fields {
	dropped := append(connectionNamed(h), withheldFields(h, m)...)
	dropped = append(dropped, "Age")
	if m.Date == 0 {
		dropped = append(dropped, "Date")
	}
	f := collect(h, dropped)
	if m.Date == 0 {
		f = append(f, Field{Name: "Date", Value: string(AppendDate(nil, m.date()))})
	}
	return own(f)
}

// WithheldFields are the end-to-end fields of a response that StoredFields leaves out because no-cache="f" or
// private="f" names them (RFC 9111, 5.2.2.4 and 5.2.2.7), in memory of their own: they belong to whoever the response
// was fetched for, and to nobody else.
func WithheldFields(h Header, m *Meta) Fields { return collectNamed(h, withheldFields(h, m)) }

// WithheldOf304 is WithheldFields for the 304 with header from304, which was merged into freshened, of which m was made.
// Set-Cookie is among them unless one is stored: Freshen leaves it out, since it could be shared unseen.
func WithheldOf304(from304, freshened Header, m *Meta) Fields {
	names := withheldFields(freshened, m)
	for _, cookie := range setCookies {
		if !has(freshened, cookie) {
			names = append(names, cookie)
		}
	}
	return collectNamed(from304, names)
}

// collectNamed lists the end-to-end fields of h with one of these names, in memory of their own.
func collectNamed(h Header, names []string) Fields {
	if len(names) == 0 {
		return nil
	}
	f := collect(h, append(connectionNamed(h), "Age"))
	return own(slices.DeleteFunc(f, func(field Field) bool { return !nameIn(field.Name, names) }))
}

// ForwardFields are the fields of a request to send to the next tier, in memory of their own: without
// those of the connection and those that Connection names. The client's conditions are kept; they are
// right only for a request that bypasses the cache.
func ForwardFields(h Header) Fields {
	return own(collect(h, connectionNamed(h)))
}

// FillFields are ForwardFields without the client's conditions and Range: those of a request whose whole
// response is to be stored. A 304 can then only be the answer to Conditional's fields. A field of several lines is in
// one (RFC 9110, 5.3): variants are told apart by all lines together, and some servers read the first one only.
func FillFields(h Header) Fields {
	f := collect(h, append(connectionNamed(h), conditionFields[:]...))
	for i := 0; i < len(f); i++ {
		if _, _, several := single(h, f[i].Name); several {
			name, rest := f[i].Name, f[i+1:]
			f[i].Value = joined(h, name)
			f = append(f[:i+1], slices.DeleteFunc(rest, func(o Field) bool { return sameName(o.Name, name) })...)
		}
	}
	return own(f)
}

// KeptBack reports whether a request field of that name is not among FillFields: it is of the connection, a
// Connection field names it, or it is a condition of the client's. It does not allocate.
func KeptBack(h Header, name string) bool {
	if HopByHop(name) || nameIn(name, conditionFields[:]) {
		return true
	}
	if isEndToEnd(name) {
		return false
	}
	named := 0
	l := linesOf(h, "Connection")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for member, more := members.next(); more && named < maxConnectionNames; member, more = members.next() {
			if isEndToEnd(member) {
				continue
			}
			if sameName(member, name) {
				return true
			}
			named++
		}
	}
	return false
}

// collect lists the fields of h except hop-by-hop ones and dropped. The text still belongs to h.
func collect(h Header, dropped []string) Fields {
	var f Fields
	for name, value := range h.All() {
		if !HopByHop(name) && !nameIn(name, dropped) {
			f = append(f, Field{Name: name, Value: value})
		}
	}
	return f
}

// maxConnectionNames bounds the names that are taken from Connection, so that a hostile header cannot
// make its removal cost the square of its length.
const maxConnectionNames = 64

// connectionNamed are the fields that Connection names and may remove.
func connectionNamed(h Header) []string {
	var names []string
	l := linesOf(h, "Connection")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for name, more := members.next(); more; name, more = members.next() {
			if len(names) < maxConnectionNames && !isEndToEnd(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func isEndToEnd(name string) bool {
	for _, prefix := range endToEndPrefixes {
		if len(name) >= len(prefix) && sameName(name[:len(prefix)], prefix) {
			return true
		}
	}
	return nameIn(name, endToEnd[:])
}
