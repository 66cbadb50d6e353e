package httpcache

import "strings"

// targeted reads the first of the named fields that is present, parses and is not empty. ok is false
// when there is none; then Cache-Control counts (RFC 9213, 2.2).
func targeted(h Header, names []string) (d directives, ok bool) {
	for _, name := range names {
		if name == SurrogateField {
			if d, ok := surrogateDirectives(h); ok {
				return d, true
			}
			continue
		}
		if value := joined(h, name); value != "" {
			if d, ok := targetedDirectives(value); ok {
				return d, true
			}
		}
	}
	return noDirectives(), false
}

// targetedDirectives maps a dictionary to directives (RFC 9213, 2.1). A lifetime that is not an Integer
// makes the whole field count as absent. A restrictive directive counts with a value of any type but
// false; field names (private="f") are not distinguished: the whole response is meant, which is safe.
func targetedDirectives(value string) (directives, bool) {
	d := noDirectives()
	p := dictionary{s: value}
	members := 0
	for p.next() {
		members++
		if at := d.delta(p.key); at != nil {
			if p.value.kind != sfInteger {
				return d, false
			}
			*at = min(max(p.value.number, 0), maxDelta)
			continue
		}
		// The last member of a key replaces those before it (RFC 9651, 4.2.2).
		d.flags &^= switchFlag(p.key)
		if p.value.kind != sfBoolean || p.value.number != 0 {
			d.addSwitch(p.key, p.value.kind == sfBoolean)
		}
	}
	return d, !p.failed && members > 0
}

func switchFlag(name string) Flags {
	for i := range switches {
		if switches[i].name == name {
			return switches[i].flag
		}
	}
	return 0
}

// joined is all lines of a field as one list, those of Cookie as RFC 9113 (8.2.3) joins them; it allocates only when
// there are several.
func joined(h Header, name string) string {
	value, _, several := single(h, name)
	if !several {
		return value
	}
	separator := ", "
	if sameName(name, "Cookie") {
		separator = "; "
	}
	var b strings.Builder
	l := linesOf(h, name)
	for line, ok := l.next(); ok; line, ok = l.next() {
		if b.Len() > 0 {
			b.WriteString(separator)
		}
		b.WriteString(line)
	}
	return b.String()
}
