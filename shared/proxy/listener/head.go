package listener

import (
	"bytes"
	"encoding/binary"
)

// headLines are what a head has said so far about where the request ends and whom it is for.
type headLines struct {
	begun    bool // the request line was whole
	http11   bool
	fields   int
	lengths  int
	codings  int
	hosts    int
	expected int
	length   int64 // of the body, or unknownLength
}

// add takes a line without its CRLF.
func (h *headLines) add(line []byte, limit int) *refusal {
	if !h.begun {
		h.begun = true
		return h.requestLine(line)
	}
	if h.fields++; h.fields > limit {
		return refusedLines
	}
	name, why := fieldName(line)
	if why != nil {
		return why
	}
	return h.field(name, line)
}

// requestLine wants exactly "METHOD SP target SP HTTP/1.x" (RFC 9112, 3).
func (h *headLines) requestLine(line []byte) *refusal {
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first <= 0 || last-first < 2 {
		return refusedLine
	}
	for _, c := range line[:first] {
		if !tokenBytes[c] {
			return refusedMethod
		}
	}
	if target := line[first+1 : last]; bytes.IndexByte(target, ' ') >= 0 || control(target) >= 0 {
		return refusedTarget
	}
	switch version := line[last+1:]; {
	case string(version) == "HTTP/1.1":
		h.http11 = true
	case string(version) == "HTTP/1.0":
	case len(version) > len("HTTP/") && string(version[:5]) == "HTTP/" && isVersion(version[5:]):
		return refusedVersion
	default:
		return refusedLine
	}
	return nil
}

// isVersion reports whether v is a number with at most one dot, as the names of HTTP's versions are.
func isVersion(v []byte) bool {
	major, minor, dot := bytes.Cut(v, []byte("."))
	return isDigits(major) && (!dot || isDigits(minor))
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// field takes a field line that may say where the request ends or whom it is for.
func (h *headLines) field(name, line []byte) *refusal {
	switch len(name) {
	case len("host"):
		if equalFold(name, "host") {
			h.hosts++
			return hostValue(valueOf(name, line))
		}
	case len("expect"):
		if equalFold(name, "expect") {
			// Servers were seen to wait for, skip or forward a body by how they read this field.
			if h.expected++; h.expected > 1 || !equalFold(valueOf(name, line), "100-continue") {
				return refusedExpect
			}
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			return h.contentLength(valueOf(name, line))
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			return h.transferEncoding(valueOf(name, line))
		}
	}
	return nil
}

func (h *headLines) contentLength(value []byte) *refusal {
	if h.lengths++; h.lengths > 1 {
		return refusedLengths
	}
	if !isDigits(value) || len(value) > maxLengthDigits {
		return refusedLength
	}
	for _, c := range value {
		h.length = 10*h.length + int64(c-'0')
	}
	return nil
}

func (h *headLines) transferEncoding(value []byte) *refusal {
	if h.codings++; h.codings > 1 || len(value) == 0 {
		return refusedCodings
	}
	if !equalFold(value, "chunked") {
		return refusedCoding
	}
	return nil
}

// conflict says why the lines of a whole head can not stand beside each other.
func (h *headLines) conflict() *refusal {
	switch {
	case h.lengths > 0 && h.codings > 0:
		return refusedBoth
	case h.codings > 0 && !h.http11:
		return refusedOldCoding
	case h.hosts > 1 || h.hosts == 0 && h.http11:
		return refusedHosts
	case h.codings > 0:
		h.length = unknownLength
	}
	return nil
}

// fieldName returns the name of a field line, or why the line is refused.
func fieldName(line []byte) (name []byte, why *refusal) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, refusedFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, refusedNoName
	}
	for _, c := range line[:colon] {
		if !tokenBytes[c] {
			return nil, refusedName
		}
	}
	for rest := line[colon+1:]; ; {
		i := control(rest)
		if i < 0 {
			return line[:colon], nil
		}
		if rest[i] != '\t' {
			return nil, refusedValue
		}
		rest = rest[i+1:]
	}
}

// control is where the first control byte of ASCII is, -1 if there is none. It looks at eight bytes at a time: a
// head is scanned for each request.
func control(b []byte) int {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		deleted := v ^ 0x7f*each // a zero byte for DEL
		// A byte below 0x20 borrows from its own high bit, which is clear in it, and so does the zero byte. A borrow
		// from a byte further down can only come from a find there, so the first one is never false.
		if (v-' '*each)&^v&high|(deleted-each)&^deleted&high != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] < ' ' || b[i] == 0x7f {
			return i
		}
	}
	return -1
}

// valueOf is the value of a field line whose name is known.
func valueOf(name, line []byte) []byte { return bytes.Trim(line[len(name)+1:], " \t") }

// hostValue wants nothing but the bytes of a host and a port (RFC 9110, 7.2), also where the target has an
// authority that goes before it.
func hostValue(value []byte) *refusal {
	for _, c := range value {
		if !hostBytes[c] {
			return refusedHost
		}
	}
	return nil
}

// equalFold compares ASCII without case. lower is in lower case. bytes.EqualFold knows letters beyond ASCII that
// fold to some of it, such as the Kelvin sign.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var (
	// tokenBytes are the bytes of a token (RFC 9110, 5.6.2).
	tokenBytes = among(letters + "0123456789!#$%&'*+-.^_`|~")
	// hostBytes are those of a host and a port (RFC 3986, 3.2.2).
	hostBytes = among(letters + "0123456789-._~%!$&'()*+,;=:[]")
)

func among(set string) (table [256]bool) {
	for i := range len(set) {
		table[set[i]] = true
	}
	return table
}
