package httpcache

// maxStringBytes bounds what one String parameter carries; longer text is cut.
const maxStringBytes = 1024

// appendName appends s as a Token when it is one, else as a String (RFC 9651, 3.3.3 and 3.3.4).
func appendName(dst []byte, s string) []byte {
	if s != "" && len(s) <= maxStringBytes && sfTokenEnd(s) == len(s) {
		return append(dst, s...)
	}
	return appendString(dst, s)
}

// appendString appends s as a String. What a String cannot hold, all but printable ASCII, becomes
// percent-encoded: keys may hold any byte, and no field value may end early or start a new line.
func appendString(dst []byte, s string) []byte {
	return append(appendText(append(dst, '"'), s), '"')
}

// appendText appends what stands between the quotes of a String.
func appendText(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < min(len(s), maxStringBytes); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case isStringChar(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// appendLines appends the lines of a list field and the separator before one more member.
func appendLines(dst []byte, h Header, name string) []byte {
	l := linesOf(h, name)
	for line, ok := l.next(); ok; line, ok = l.next() {
		if line = trim(line); line != "" {
			dst = append(dst, line...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}
