package httpcache

// maxPreferences bounds the members of a list that is put in order; a longer one counts as it was sent.
const maxPreferences = 24

// preference is one member of Accept-Encoding or Accept-Language.
type preference struct {
	name   string
	weight int16 // in thousandths (RFC 9110, 12.4.2)
}

// ordered reports whether the values of a selecting field are lists of names with weights that can be put in
// order.
func ordered(name string) bool {
	return sameName(name, "Accept-Encoding") || sameName(name, "Accept-Language")
}

// appendPreferences appends the form that all values of Accept-Encoding or Accept-Language share that mean the same
// (RFC 9111, 4.1): names in lower case and in order, each once, a weight in its shortest form and only where it is not
// 1. Languages are in the order of their weights, and stay as they were sent among equal ones, since many servers take
// the first (RFC 9110, 12.5.4); codings are in alphabetical order. ok is false, and dst as it was, for a value that is no
// such list, or that gives one name two weights: servers differ in which they take.
func appendPreferences(dst []byte, name, value string) (normal []byte, ok bool) {
	byWeight := sameName(name, "Accept-Language")
	var all [maxPreferences]preference
	n := 0
	members := list{rest: value}
	for member, more := members.next(); more; member, more = members.next() {
		p, valid := parsePreference(member)
		if !valid || n == len(all) {
			return dst, false
		}
		if at := namedIn(all[:n], p.name); at >= 0 {
			if all[at].weight != p.weight {
				return dst, false
			}
			continue
		}
		insertPreference(all[:n+1], p, byWeight)
		n++
	}
	for i, p := range all[:n] {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		for k := 0; k < len(p.name); k++ {
			dst = append(dst, lower(p.name[k]))
		}
		dst = appendWeight(dst, p.weight)
	}
	return dst, true
}

func namedIn(all []preference, name string) int {
	for i := range all {
		if sameName(all[i].name, name) {
			return i
		}
	}
	return -1
}

// insertPreference puts p into a list whose last place is free, behind all that it does not come before: by its weight
// or by its name.
func insertPreference(all []preference, p preference, byWeight bool) {
	at := len(all) - 1
	for ; at > 0; at-- {
		last := &all[at-1]
		if byWeight && last.weight >= p.weight || !byWeight && compareNames(last.name, p.name) < 0 {
			break
		}
		all[at] = *last
	}
	all[at] = p
}

// parsePreference reads name [ ";" "q=" weight ].
func parsePreference(s string) (p preference, ok bool) {
	end := tokenEnd(s)
	p = preference{name: s[:end], weight: 1000}
	rest := trim(s[end:])
	if end == 0 || rest == "" {
		return p, end > 0
	}
	if rest[0] != ';' {
		return p, false
	}
	rest = trim(rest[1:])
	if len(rest) < 3 || lower(rest[0]) != 'q' || rest[1] != '=' {
		return p, false
	}
	p.weight, ok = parseWeight(rest[2:])
	return p, ok
}

// parseWeight reads a qvalue (RFC 9110, 12.4.2) as thousandths.
func parseWeight(s string) (thousandths int16, ok bool) {
	if s == "" || len(s) > 5 || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	thousandths = int16(s[0]-'0') * 1000
	scale := int16(100)
	for i := 2; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		thousandths += int16(s[i]-'0') * scale
		scale /= 10
	}
	return thousandths, thousandths <= 1000
}

func appendWeight(dst []byte, thousandths int16) []byte {
	if thousandths == 1000 {
		return dst
	}
	dst = append(dst, ";q=0"...)
	if thousandths == 0 {
		return dst
	}
	dst = append(dst, '.')
	for scale := int16(100); thousandths > 0; scale /= 10 {
		dst = append(dst, byte('0'+thousandths/scale))
		thousandths %= scale
	}
	return dst
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// compareNames orders ASCII names without regard to case.
func compareNames(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

// Weight is what Accept-Encoding of a request gives a coding, in thousandths; 0 is refusal. A name counts before "*";
// identity has the least weight where neither is there (RFC 9110, 12.5.3). A member that cannot be read is skipped.
func Weight(h Header, coding string) int {
	named, star := -1, -1
	l := linesOf(h, "Accept-Encoding")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for member, more := members.next(); more; member, more = members.next() {
			p, valid := parsePreference(member)
			switch {
			case !valid:
			case p.name == "*":
				star = max(star, int(p.weight))
			case sameCoding(p.name, coding):
				named = max(named, int(p.weight))
			}
		}
	}
	switch {
	case named >= 0:
		return named
	case star >= 0:
		return star
	case sameName(coding, "identity"):
		return 1
	}
	return 0
}

// sameCoding takes x-gzip and x-compress for what they mean (RFC 9110, 8.4.1).
func sameCoding(a, b string) bool {
	return sameName(plainCoding(a), plainCoding(b))
}

func plainCoding(s string) string {
	if sameName(s, "x-gzip") || sameName(s, "x-compress") {
		return s[2:]
	}
	return s
}
