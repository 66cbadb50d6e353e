package listener

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// suspicious says why a request's head must be refused although fasthttp took it, "" when it need not:
// another server in the chain could read it differently, and a body or a field could then be smuggled
// past one of them (RFC 9112, 5.1, 5.2 and 6.3; RFC 9110, 5.5).
func suspicious(h *fasthttp.RequestHeader) string {
	if version := h.Protocol(); !bytes.Equal(version, http11) && !bytes.Equal(version, http10) {
		return "HTTP version is not 1.0 or 1.1"
	}
	var lengths, codings, hosts int
	for rest := h.RawHeaders(); len(rest) > 0; {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, cr)
		if len(line) == 0 {
			continue
		}
		name, why := fieldName(line)
		if why != "" {
			return why
		}
		switch {
		case len(name) == len("content-length") && bytes.EqualFold(name, contentLength):
			lengths++
		case len(name) == len("transfer-encoding") && bytes.EqualFold(name, transferEncoding):
			codings++
		case len(name) == len("host") && bytes.EqualFold(name, hostName):
			hosts++
		}
	}
	switch {
	case lengths > 0 && codings > 0:
		return "both Content-Length and Transfer-Encoding"
	case lengths > 1 || codings > 1 || hosts > 1:
		return "Content-Length, Transfer-Encoding or Host more than once"
	case codings > 0 && !h.IsHTTP11():
		return "Transfer-Encoding in HTTP/1.0"
	}
	return ""
}

var (
	http10           = []byte("HTTP/1.0")
	http11           = []byte("HTTP/1.1")
	cr               = []byte("\r")
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	hostName         = []byte("host")
)

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
