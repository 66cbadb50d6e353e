package httpcache

// argForm is the form that a directive's argument came in.
type argForm uint8

const (
	argNone argForm = iota
	argToken
	argQuoted
	argBroken // not of the grammar: white space around "=", an empty argument, an unbalanced quote
)

// argument is what follows "=" in a directive. Recipients take token and quoted forms alike
// (RFC 9111, 5.2).
type argument struct {
	form argForm
	text string // without the quotes, escapes left as they are: no argument that counts needs one
}

// seconds is the argument as delta-seconds. An argument that is none is 0: invalid freshness is stale
// (RFC 9111, 4.2.1).
func (a argument) seconds() int64 {
	if a.form == argNone || a.form == argBroken {
		return 0
	}
	sec, _ := parseDelta(a.text)
	return sec
}

// directiveScanner walks the directives of all Cache-Control lines of a header.
type directiveScanner struct {
	lines   lines
	members list
}

func scanDirectives(h Header) directiveScanner {
	return directiveScanner{lines: linesOf(h, "Cache-Control")}
}

// next is the next directive; what does not start with a token is skipped.
func (s *directiveScanner) next() (name string, arg argument, ok bool) {
	for {
		member, ok := s.members.next()
		if !ok {
			line, more := s.lines.next()
			if !more {
				return "", argument{}, false
			}
			s.members = list{rest: line}
			continue
		}
		if n := tokenEnd(member); n > 0 {
			return member[:n], parseArgument(member[n:], s.members.broken), true
		}
	}
}

// parseArgument reads what follows a directive's name.
func parseArgument(s string, broken bool) argument {
	switch {
	case broken:
		return argument{form: argBroken}
	case s == "":
		return argument{}
	case s[0] != '=':
		return argument{form: argBroken}
	}
	s = s[1:]
	if isToken(s) {
		return argument{form: argToken, text: s}
	}
	if s != "" && s[0] == '"' {
		if end, ok := quotedEnd(s); ok && end == len(s) {
			return argument{form: argQuoted, text: s[1 : end-1]}
		}
	}
	return argument{form: argBroken}
}

// responseDirectives reads Cache-Control (RFC 9111, 5.2.2). Directives count in any case and from any
// line; text in a quoted string is never one.
func responseDirectives(h Header) directives {
	d := noDirectives()
	s := scanDirectives(h)
	for {
		name, arg, ok := s.next()
		if !ok {
			return d
		}
		if at := d.delta(name); at != nil {
			restrict(at, arg.seconds())
		} else if flag := qualified(name); flag != 0 && arg.isFieldList() {
			d.flags |= flag
		} else {
			d.addSwitch(name, arg.form == argNone)
		}
	}
}

// qualified is the flag of the form with field names of a directive that has one (RFC 9111, 5.2.2.4
// and 5.2.2.7).
func qualified(name string) Flags {
	switch {
	case sameName(name, "no-cache"):
		return FlagNoCacheFields
	case sameName(name, "private"):
		return FlagPrivateFields
	}
	return 0
}

// isFieldList reports whether the argument is a list of plausible field names. Anything else makes the
// directive count as if it stood alone, which is the stricter meaning.
func (a argument) isFieldList() bool {
	if a.form != argToken && a.form != argQuoted {
		return false
	}
	l := list{rest: a.text}
	some := false
	for {
		name, ok := l.next()
		if !ok {
			return some
		}
		if !isPlainName(name) {
			return false
		}
		some = true
	}
}

// isPlainName is narrower than token: a single quote or an escape is a mistake of the sender, not a
// field's name.
func isPlainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// qualifiedFields are the fields that no-cache="f" and private="f" name. They are left out of what is
// stored, so that they need no validation and reach nobody else.
func qualifiedFields(h Header) []string {
	var names []string
	s := scanDirectives(h)
	for {
		name, arg, ok := s.next()
		if !ok {
			return names
		}
		if qualified(name) == 0 || !arg.isFieldList() {
			continue
		}
		l := list{rest: arg.text}
		for field, more := l.next(); more; field, more = l.next() {
			names = append(names, field)
		}
	}
}
