package httpcache

// The grammar of RFC 9110, 5.6: tokens, quoted strings, white space and comma lists. Each scanner works
// on one field line and allocates nothing.

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

func isAlpha(c byte) bool { return isLower(c | 0x20) }

// isTokenChar is tchar (RFC 9110, 5.6.2).
func isTokenChar(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return isAlpha(c) || isDigit(c)
}

func isToken(s string) bool {
	return s != "" && tokenEnd(s) == len(s)
}

// tokenEnd is the index after the longest token that s starts with, 0 when there is none.
func tokenEnd(s string) int {
	i := 0
	for i < len(s) && isTokenChar(s[i]) {
		i++
	}
	return i
}

// trim removes optional white space (OWS) at both ends.
func trim(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// quotedEnd is the index after the quoted string that s starts with; ok is false when it has no end.
func quotedEnd(s string) (end int, ok bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return len(s), false
}

// list walks the members of a comma list, empty ones left out. Commas in quoted strings do not count.
type list struct {
	rest string
	// broken is set by the first quoted string that has no end. Its quote then counts as any other
	// character, and so do all after it: nothing hides behind an unbalanced quote.
	broken bool
}

func (l *list) next() (member string, ok bool) {
	for l.rest != "" {
		end := l.memberEnd()
		member = trim(l.rest[:end])
		l.rest = l.rest[min(end+1, len(l.rest)):]
		if member != "" {
			return member, true
		}
	}
	return "", false
}

// memberEnd is the index of the comma that ends the first member, or the length of what is left.
func (l *list) memberEnd() int {
	for i := 0; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == ',':
			return i
		case c == '"' && !l.broken:
			end, ok := quotedEnd(l.rest[i:])
			l.broken = !ok
			if ok {
				i += end - 1
			}
		}
	}
	return len(l.rest)
}

// parseDelta reads delta-seconds, saturated at maxDelta (RFC 9111, 1.2.2).
func parseDelta(s string) (sec int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		sec = min(sec*10+int64(s[i]-'0'), maxDelta)
	}
	return sec, true
}
