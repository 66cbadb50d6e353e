package listener

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// maxLines bounds the field lines of a request: what is done for each of them adds up.
const maxLines = 128

// suspicious says why a request's head must be refused although fasthttp took it, and with which status; 0
// when it need not. Another server in the chain could read it differently, and a body or a field could then
// be smuggled past one of them (RFC 9112, 2.2, 5.1, 5.2 and 6.3; RFC 9110, 5.5).
//
// fasthttp keeps the field lines as they came, but not the request line: whether that ends with a bare LF
// can not be seen. A recipient may take it for the line's end (RFC 9112, 2.2), and no field hides in it.
func suspicious(h *fasthttp.RequestHeader) (status int, why string) {
	if version := h.Protocol(); !bytes.Equal(version, http11) && !bytes.Equal(version, http10) {
		return fasthttp.StatusBadRequest, "HTTP version is not 1.0 or 1.1"
	}
	var f framing
	for rest := h.RawHeaders(); len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return fasthttp.StatusBadRequest, "line ends without CRLF"
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if len(line) == 0 {
			continue
		}
		if why := f.add(line); why != "" {
			return fasthttp.StatusBadRequest, why
		}
	}
	if f.lines > maxLines {
		return fasthttp.StatusRequestHeaderFieldsTooLarge, "more than 128 field lines"
	}
	if why := f.conflict(h.IsHTTP11()); why != "" {
		return fasthttp.StatusBadRequest, why
	}
	return 0, ""
}

var (
	http10           = []byte("HTTP/1.0")
	http11           = []byte("HTTP/1.1")
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	hostName         = []byte("host")
	chunked          = []byte("chunked")
)

// framing counts the field lines of a head, and those that say where the request ends and whom it is for.
type framing struct{ lines, lengths, codings, hosts int }

// add takes a field line, or says why it is refused.
func (f *framing) add(line []byte) (why string) {
	name, why := fieldName(line)
	if why != "" {
		return why
	}
	f.lines++
	switch {
	case len(name) == len("content-length") && bytes.EqualFold(name, contentLength):
		f.lengths++
	case len(name) == len("transfer-encoding") && bytes.EqualFold(name, transferEncoding):
		f.codings++
		if !bytes.EqualFold(bytes.Trim(line[len(name)+1:], " \t"), chunked) {
			return "Transfer-Encoding is not chunked"
		}
	case len(name) == len("host") && bytes.EqualFold(name, hostName):
		f.hosts++
	}
	return ""
}

// conflict says why the lines can not stand beside each other, "" when they can.
func (f *framing) conflict(isHTTP11 bool) string {
	switch {
	case f.lengths > 0 && f.codings > 0:
		return "both Content-Length and Transfer-Encoding"
	case f.lengths > 1 || f.codings > 1 || f.hosts > 1:
		return "Content-Length, Transfer-Encoding or Host more than once"
	case f.codings > 0 && !isHTTP11:
		return "Transfer-Encoding in HTTP/1.0"
	}
	return ""
}

// fieldName returns the name of a field line, or why the line is refused.
func fieldName(line []byte) (name []byte, why string) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, "folded field line"
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, "field line without a name"
	}
	for _, c := range line[:colon] {
		if c <= ' ' || c >= 0x7f || separators[c] {
			return nil, "field name is not a token"
		}
	}
	for _, c := range line[colon+1:] {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, "control byte in a field value"
		}
	}
	return line[:colon], ""
}

// separators are the visible bytes that no token has (RFC 9110, 5.6.2).
var separators = [128]bool{
	'(': true, ')': true, '<': true, '>': true, '@': true, ',': true, ';': true, ':': true, '\\': true, '"': true,
	'/': true, '[': true, ']': true, '?': true, '=': true, '{': true, '}': true,
}
