package httpcache

// BestLanguage is the index in languages, which are in the site's order, of what Accept-Language gives the most
// weight, or -1 when it suits none of them. A range matches a tag that is equal or goes on with a dash (basic
// filtering, RFC 4647, 3.3.1), and a tag is as good as its most exact range says; a range that is more exact than the
// tag matches too, as in lookup (3.4): who asks for de-AT takes de. "*" matches what no other range does. Without
// the field it is 0, the site's first. It allocates nothing for an Indexed header.
func BestLanguage(h Header, languages []string) int {
	if len(languages) == 0 {
		return -1
	}
	if !has(h, "Accept-Language") {
		return 0
	}
	best, weight := -1, 0
	for i, language := range languages {
		if w := languageWeight(h, language); w > weight {
			best, weight = i, w
		}
	}
	return best
}

// languageWeight is what Accept-Language gives a tag, in thousandths (RFC 9110, 12.5.4).
func languageWeight(h Header, language string) int {
	weight, exact := 0, -1
	l := linesOf(h, "Accept-Language")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for member, more := members.next(); more; member, more = members.next() {
			p, valid := parsePreference(member)
			if !valid {
				continue
			}
			at := likeness(p.name, language)
			if at < 0 {
				continue
			}
			if at > exact || at == exact && int(p.weight) > weight {
				weight, exact = int(p.weight), at
			}
		}
	}
	return weight
}

// likeness is how exactly a range describes a tag: 0 for "*", more the more subtags they share, most when it is not
// longer than the tag; -1 when neither begins the other.
func likeness(wanted, tag string) int {
	if wanted == "*" {
		return 0
	}
	short, long := wanted, tag
	if len(short) > len(long) {
		short, long = long, short
	}
	if short == "" || !sameName(short, long[:len(short)]) || len(long) > len(short) && long[len(short)] != '-' {
		return -1
	}
	if len(wanted) <= len(tag) {
		return 2*len(short) + 1
	}
	return 2 * len(short)
}
