package listener

import (
	"bytes"
	"net/http"
)

// Limits of a request's head and of the trailer section behind a chunked body.
const (
	maxHeadBytes    = 32<<10 - 1
	maxLines        = 128     // what is done for each of them adds up
	tierHeadBytes   = 8 << 10 // what a tier may add to what it has let through
	tierLines       = 32
	maxTrailerBytes = 8 << 10
	maxLengthDigits = 18 // of Content-Length: no overflow, whatever the reader's integers
)

// limits are those of a listener's heads.
type limits struct{ bytes, lines int }

// limitsOf leaves room for what tiers add: a request that one tier takes must not be refused by the next.
func limitsOf(fromTiers bool) limits {
	if fromTiers {
		return limits{maxHeadBytes + tierHeadBytes, maxLines + tierLines}
	}
	return limits{maxHeadBytes, maxLines}
}

// buffer is the size of fasthttp's buffer of a connection. It must never be full: fasthttp could not tell the head
// from one that never ends.
func (l limits) buffer() int { return l.bytes + 1 }

// refusal is why a request is refused before anything of it is acted on, and the status that says so.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

// Each of these is a point at which two servers in a chain were seen to read one message in two ways, and a
// request, a body or a field could be smuggled past one of them (RFC 9112, 2.2, 5.1, 5.2, 6.1, 6.3, 7.1 and 11.2;
// RFC 9110, 5.5).
var (
	refusedLineEnd   = &refusal{http.StatusBadRequest, "line ends without CRLF"}
	refusedBlank     = &refusal{http.StatusBadRequest, "more than one empty line before the request"}
	refusedLine      = &refusal{http.StatusBadRequest, "request line is not a method, a target and a version with one space between"}
	refusedMethod    = &refusal{http.StatusBadRequest, "method is not a token"}
	refusedTarget    = &refusal{http.StatusBadRequest, "space or control byte in the request target"}
	refusedVersion   = &refusal{http.StatusHTTPVersionNotSupported, "HTTP version is not 1.0 or 1.1"}
	refusedLongLine  = &refusal{http.StatusRequestURITooLong, "request line is too long"}
	refusedLongHead  = &refusal{http.StatusRequestHeaderFieldsTooLarge, "request head is too large"}
	refusedLines     = &refusal{http.StatusRequestHeaderFieldsTooLarge, "too many field lines"}
	refusedFold      = &refusal{http.StatusBadRequest, "folded field line"}
	refusedNoName    = &refusal{http.StatusBadRequest, "field line without a name"}
	refusedName      = &refusal{http.StatusBadRequest, "field name is not a token"}
	refusedValue     = &refusal{http.StatusBadRequest, "control byte in a field value"}
	refusedHost      = &refusal{http.StatusBadRequest, "Host is not a host and a port"}
	refusedHosts     = &refusal{http.StatusBadRequest, "Host missing, or there more than once"}
	refusedLength    = &refusal{http.StatusBadRequest, "Content-Length is not one decimal number"}
	refusedLengths   = &refusal{http.StatusBadRequest, "Content-Length more than once"}
	refusedCoding    = &refusal{http.StatusNotImplemented, "Transfer-Encoding is not chunked"}
	refusedCodings   = &refusal{http.StatusBadRequest, "Transfer-Encoding more than once or empty"}
	refusedBoth      = &refusal{http.StatusBadRequest, "both Content-Length and Transfer-Encoding"}
	refusedOldCoding = &refusal{http.StatusBadRequest, "Transfer-Encoding in HTTP/1.0"}
	refusedExpect    = &refusal{http.StatusExpectationFailed, "the only expectation that is met is one 100-continue"}
	refusedAhead     = &refusal{http.StatusBadRequest, "request could be framed in two ways"}
)

// unknownLength is the length of a body that comes in chunks.
const unknownLength = -1

// place is where in a connection's bytes a framer is.
type place uint8

const (
	atStart     place = iota // between two requests
	atBlank                  // behind the CR of an empty line there
	inHead                   // in the request line or a field line
	inBody                   // in a body whose length was given
	inSize                   // in the size of a chunk
	inExtension              // behind the size
	inQuotes                 // in a quoted string of an extension
	inEscape                 // behind a backslash there
	atSizeEnd                // behind the CR of that line
	inData                   // in a chunk's data
	atDataEnd                // before the CR behind it
	atDataLF                 // behind that CR
	inTrailers               // behind the last chunk
	atEnd                    // behind the CR of the line that ends the trailer section
)

// framer goes along with the bytes of a connection and says where each request ends, or why it is refused. It
// takes each byte once, in parts of any size, keeps only the line that is not whole yet, and knows of HTTP
// nothing but what decides where a request ends and what makes that doubtful.
type framer struct {
	limits   limits
	at       place
	blank    bool   // an empty line came before the request
	line     []byte // the part of a line that has come; a copy
	size     int    // bytes of the head, or of the trailer section, up to that line
	requests uint64 // heads that were whole
	length   int64  // of the newest one's body
	left     int64  // bytes to come of the body or of the chunk
	digits   int    // of the chunk's size
	extra    int    // bytes of the chunk's extension
	head     headLines
}

// step takes from b, which is not empty, what belongs together: n bytes that fasthttp is to read, or that it is
// not to see when drop is set. After a refusal, which comes with what stood before its reason, there is no next
// step.
func (f *framer) step(b []byte) (n int, drop bool, why *refusal) {
	switch f.at {
	case atStart, atBlank:
		if n, why = f.skipBlank(b[0]); n > 0 || why != nil {
			return n, true, why
		}
		if !tokenBytes[b[0]] {
			return 0, false, refusedMethod // at once: what is no HTTP at all, such as TLS, need not send a line end
		}
		f.at = inHead
		n, why = f.takeHead(b)
		return n, false, why
	case inHead:
		n, why = f.takeHead(b)
		return n, false, why
	case inBody:
		n = f.take(b)
		if f.left == 0 {
			f.end()
		}
		return n, false, nil
	case inTrailers, atEnd:
		n, why = f.takeTrailers(b)
		return n, true, why
	}
	n, why = f.takeChunks(b)
	return n, false, why
}

// skipBlank takes one empty line before a request (RFC 9112, 2.2). A second one is refused: nobody sends it in
// good faith.
func (f *framer) skipBlank(c byte) (n int, why *refusal) {
	switch {
	case f.at == atBlank && c != '\n':
		return 0, refusedLineEnd
	case f.at == atBlank:
		f.at, f.blank = atStart, true
		return 1, nil
	case c == '\r' && f.blank:
		return 0, refusedBlank
	case c == '\r':
		f.at = atBlank
		return 1, nil
	}
	return 0, nil
}

// takeHead takes lines of the head, and at its end decides how the body is framed.
func (f *framer) takeHead(b []byte) (n int, why *refusal) {
	for {
		line, taken, why := f.nextLine(b[n:], f.limits.bytes)
		switch {
		case why == nil && line == nil:
			return len(b), nil
		case why == refusedLongHead && !f.head.begun:
			return n, refusedLongLine
		case why != nil:
			return n, why
		case len(line) > 0 || !f.head.begun:
			why = f.head.add(line, f.limits.lines)
		default:
			why = f.head.conflict()
		}
		if why != nil {
			return n, why
		}
		n += taken
		if len(line) == 0 {
			f.endHead()
			return n, nil
		}
	}
}

func (f *framer) endHead() {
	f.requests++
	f.length, f.left = f.head.length, max(0, f.head.length)
	f.size = 0
	switch {
	case f.length == unknownLength:
		f.at, f.digits = inSize, 0
	case f.length > 0:
		f.at = inBody
	default:
		f.end()
	}
	f.head = headLines{}
}

// end is the end of a request.
func (f *framer) end() {
	f.at, f.blank, f.size, f.head = atStart, false, 0, headLines{}
	if cap(f.line) > 1<<10 {
		f.line = nil
	}
}

// take takes bytes of the body or of a chunk.
func (f *framer) take(b []byte) int {
	n := int(min(int64(len(b)), f.left))
	f.left -= int64(n)
	return n
}

// nextLine returns the line that b completes, without its CRLF, and how many bytes of b belong to it. It is nil
// when the end has not come; then all of b is kept. The line is valid until the next call.
func (f *framer) nextLine(b []byte, limit int) (line []byte, taken int, why *refusal) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		f.line = append(f.line, b...)
		if f.size+len(f.line) > limit {
			return nil, 0, refusedLongHead
		}
		return nil, len(b), nil
	}
	line, taken = b[:end+1], end+1
	if len(f.line) > 0 {
		f.line = append(f.line, line...)
		line, f.line = f.line, f.line[:0]
	}
	if f.size += len(line); f.size > limit {
		return nil, 0, refusedLongHead
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return nil, 0, refusedLineEnd
	}
	return line[:len(line)-2], taken, nil
}
