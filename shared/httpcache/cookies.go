package httpcache

import "strings"

// AppendCookies appends the request's cookies of those names, in the order of the names, in the form of a Cookie field
// (RFC 6265, 4.2.1). Of a name that is there several times all stay, in their order. Names have a case. present is
// false when there is none of them. With an Indexed header it allocates nothing but what dst lacks.
func AppendCookies(dst []byte, h Header, names []string) (value []byte, present bool) {
	start := len(dst)
	for _, name := range names {
		l := linesOf(h, "Cookie")
		for line, ok := l.next(); ok; line, ok = l.next() {
			dst = appendCookiesOf(dst, start, line, name)
		}
	}
	return dst, len(dst) > start
}

// appendCookiesOf appends the pairs of that name in one line. Who reads a quoted value may take a semicolon in it for
// part of the value; here it always ends a pair, so that such a value reaches nobody whole.
func appendCookiesOf(dst []byte, start int, line, name string) []byte {
	for line != "" {
		var pair string
		pair, line, _ = strings.Cut(line, ";")
		pair = trim(pair)
		if own, _, _ := strings.Cut(pair, "="); own != name {
			continue
		}
		if len(dst) > start {
			dst = append(dst, "; "...)
		}
		dst = append(dst, pair...)
	}
	return dst
}
