package httpcache

import "strings"

// AppendVia appends the value of Via for a message that goes on: the lines that came, then this hop
// (RFC 9110, 7.6.3). protocol is the version that the message came with, "1.1" for example; by is the
// pseudonym of this hop, a token.
func AppendVia(dst []byte, h Header, protocol, by string) []byte {
	dst = appendLines(dst, h, "Via")
	dst = append(dst, protocol...)
	dst = append(dst, ' ')
	return append(dst, by...)
}

// Protocol is the version that the response came with, as Via names it (RFC 9110, 7.6.3).
func (m *Meta) Protocol() string {
	switch {
	case m.Flags.Has(FlagHTTP2):
		return "2.0"
	case m.Flags.Has(FlagHTTP10):
		return "1.0"
	}
	return "1.1"
}

// MaxForwards is how often a request with OPTIONS may still be forwarded (RFC 9110, 7.6.2); ok is false where
// it does not say. What is no number does not count, and what is larger than 2^31 counts as that.
func MaxForwards(h Header) (n int64, ok bool) {
	return parseDelta(h.Value("Max-Forwards"))
}

// AsksForProtocol reports whether a request asks for another protocol by Upgrade (RFC 9110, 7.8). An offer of h2c alone
// does not count: clients make it by default and go on in HTTP/1.1 where it is ignored, as RFC 9113 (3.1) wants.
func AsksForProtocol(h Header) bool {
	l := linesOf(h, "Upgrade")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for protocol, more := members.next(); more; protocol, more = members.next() {
			if !sameName(protocol, "h2c") {
				return true
			}
		}
	}
	return false
}

// AppendCDNLoop appends the value of CDN-Loop for a request that goes on: the lines that came, none of
// them changed, then this node (RFC 8586). cdnID is the token that all nodes of the fleet share; node
// tells them apart, since a request passes several of them on its way.
func AppendCDNLoop(dst []byte, h Header, cdnID, node string) []byte {
	dst = appendLines(dst, h, "CDN-Loop")
	dst = append(dst, cdnID...)
	if node == "" {
		return dst
	}
	dst = append(dst, ";node="...)
	if isToken(node) {
		return append(dst, node...)
	}
	return appendString(dst, node)
}

// InLoop reports whether the request has been at this node before: CDN-Loop has a member cdnID whose
// node parameter is node (RFC 8586, 2). An empty node matches every member of cdnID. Names compare
// without case, which can only find a loop too many.
func InLoop(h Header, cdnID, node string) bool {
	l := linesOf(h, "CDN-Loop")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for member, more := members.next(); more; member, more = members.next() {
			id, params, _ := strings.Cut(member, ";")
			if sameName(trim(id), cdnID) && (node == "" || hasNode(params, node)) {
				return true
			}
		}
	}
	return false
}

// hasNode looks for node=value among parameters that ";" separates.
func hasNode(params, node string) bool {
	for params != "" {
		end := paramEnd(params)
		name, value, _ := strings.Cut(params[:end], "=")
		if sameName(trim(name), "node") && valueIs(trim(value), node) {
			return true
		}
		params = params[min(end+1, len(params)):]
	}
	return false
}

// paramEnd is the index of the semicolon that ends the first parameter, or the length of s.
func paramEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ';':
			return i
		case '"':
			end, ok := quotedEnd(s[i:])
			if !ok {
				return len(s)
			}
			i += end - 1
		}
	}
	return len(s)
}

// valueIs compares a parameter's value, a token or a quoted string, with want.
func valueIs(value, want string) bool {
	if value == "" || value[0] != '"' {
		return sameName(value, want)
	}
	end, ok := quotedEnd(value)
	if !ok {
		return false
	}
	return sameName(unquote(value[1:end-1]), want)
}

// unquote removes the backslashes of quoted-pairs; it allocates only when there are any.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
