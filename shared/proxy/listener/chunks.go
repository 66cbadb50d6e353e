package listener

import "net/http"

// Limits of a chunk's line. fasthttp has none for what stands behind the size.
const (
	maxSizeDigits = 15 // what fasthttp takes, and less than an int64
	maxExtension  = 256
)

var (
	refusedSize         = &refusal{http.StatusBadRequest, "size of a chunk is not a hexadecimal number"}
	refusedExtension    = &refusal{http.StatusBadRequest, "chunk extension is malformed or longer than 256 bytes"}
	refusedData         = &refusal{http.StatusBadRequest, "data of a chunk does not end with CRLF"}
	refusedTrailer      = &refusal{http.StatusBadRequest, "trailer field that belongs into a head"}
	refusedLongTrailers = &refusal{http.StatusRequestHeaderFieldsTooLarge, "trailer section larger than 8 KiB or 128 lines"}
)

// takeChunks takes chunks up to the trailer section (RFC 9112, 7.1). Beside lines of another form, other servers
// were seen to accept bare LF and bare CR at the end of a chunk's line, in its extension and behind its data.
func (f *framer) takeChunks(b []byte) (n int, why *refusal) {
	for n < len(b) && f.at != inTrailers {
		if f.at == inData {
			n += f.take(b[n:])
			if f.left == 0 {
				f.at = atDataEnd
			}
			continue
		}
		if why := f.chunkByte(b[n]); why != nil {
			return n, why
		}
		n++
	}
	return n, nil
}

// chunkByte takes a byte that is not a chunk's data.
func (f *framer) chunkByte(c byte) *refusal {
	switch f.at {
	case inSize:
		return f.sizeByte(c)
	case inExtension, inQuotes, inEscape:
		return f.extensionByte(c)
	case atSizeEnd:
		if c != '\n' {
			return refusedLineEnd
		}
		f.at = inData
		if f.left == 0 {
			f.at = inTrailers
		}
	case atDataEnd:
		if c != '\r' {
			return refusedData
		}
		f.at = atDataLF
	case atDataLF:
		if c != '\n' {
			return refusedData
		}
		f.at, f.digits = inSize, 0
	}
	return nil
}

func (f *framer) sizeByte(c byte) *refusal {
	if digit, ok := hexDigit(c); ok && f.digits < maxSizeDigits {
		f.left, f.digits = f.left<<4|digit, f.digits+1
		return nil
	}
	switch {
	case f.digits == 0:
		return refusedSize
	case c == '\r':
		f.at = atSizeEnd
	case c == ';':
		f.at, f.extra = inExtension, 0
	default:
		return refusedSize
	}
	return nil
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}

// extensionByte takes a byte of what stands behind a chunk's size. Nobody acts on it (RFC 9112, 7.1.1), but it
// must not hold a line end in anybody's eyes: none but CRLF, and that not in quotes.
func (f *framer) extensionByte(c byte) *refusal {
	if f.extra++; f.extra > maxExtension || c < ' ' && c != '\t' && c != '\r' || c == 0x7f {
		return refusedExtension
	}
	switch {
	case f.at == inEscape && c != '\r':
		f.at = inQuotes
	case f.at == inQuotes && c == '\\':
		f.at = inEscape
	case f.at == inQuotes && c == '"':
		f.at = inExtension
	case f.at == inQuotes && c != '\r':
	case f.at != inExtension || c >= 0x80:
		return refusedExtension
	case c == '"':
		f.at = inQuotes
	case c == '\r':
		f.at = atSizeEnd
	}
	return nil
}

// takeTrailers takes lines of the trailer section and drops them: nobody behind the listener asks for them, and
// fields that came behind the body must never be taken for some of the head (RFC 9110, 6.5.1).
//
// INVARIANT: of its last line, which is empty, nothing is passed on before it is whole. fasthttp takes one that breaks
// off for the end of the body.
func (f *framer) takeTrailers(b []byte) (n int, why *refusal) {
	if f.at == atEnd {
		if b[0] != '\n' {
			return 0, refusedLineEnd
		}
		f.end()
		return 1, nil
	}
	for n < len(b) {
		if len(f.line) == 0 && b[n] == '\r' {
			f.at = atEnd
			return n + 1, nil
		}
		line, taken, why := f.nextLine(b[n:], maxTrailerBytes)
		switch {
		case why == refusedLongHead:
			return n, refusedLongTrailers
		case why != nil:
			return n, why
		case line == nil:
			return len(b), nil
		}
		if why := f.trailer(line); why != nil {
			return n, why
		}
		n += taken
	}
	return n, nil
}

// inTrailers reports whether the last chunk was there and the trailer section is not whole.
func (f *framer) inTrailers() bool { return f.at == inTrailers || f.at == atEnd }

func (f *framer) trailer(line []byte) *refusal {
	if f.head.fields++; f.head.fields > maxLines {
		return refusedLongTrailers
	}
	name, why := fieldName(line)
	switch {
	case why != nil:
		return why
	case equalFold(name, "content-length"), equalFold(name, "transfer-encoding"), equalFold(name, "host"):
		return refusedTrailer
	}
	return nil
}
