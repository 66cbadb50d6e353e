package httpcache

import "strings"

// sfKind is the type of a Structured Field member (RFC 9651, 3).
type sfKind uint8

const (
	sfInteger sfKind = iota + 1
	sfDecimal
	sfString
	sfToken
	sfBytes
	sfBoolean
	sfDate
	sfDisplay
	sfInnerList
)

// sfValue is a member's value as far as a cache directive needs it: which type, and the number of an
// Integer, a Date (s) or a Boolean (0 or 1).
type sfValue struct {
	kind   sfKind
	number int64
}

// dictionary parses a Structured Field Dictionary (RFC 9651, 4.2.2) member by member, allocating
// nothing. One fault anywhere makes all of the field invalid: whoever reads members must look at failed
// after the last.
type dictionary struct {
	s       string // what is left to parse
	key     string
	value   sfValue
	strings []string // of an inner list, when all its items are Strings; nil otherwise and without collect
	collect bool     // fill strings, which allocates
	started bool
	failed  bool
}

// next reads the next member into key and value; false at the end or at a fault.
func (p *dictionary) next() bool {
	if !p.started {
		p.started = true
		p.skip(' ')
		if p.s == "" {
			return false
		}
		return p.member()
	}
	p.skipSpace()
	if p.s == "" {
		return false
	}
	if !p.take(',') {
		return p.fail()
	}
	p.skipSpace()
	return p.member()
}

// member reads key, value and parameters; a key alone is true.
func (p *dictionary) member() bool {
	p.strings = nil
	p.key = p.readKey()
	if p.key == "" {
		return p.fail()
	}
	if !p.take('=') {
		p.value = sfValue{kind: sfBoolean, number: 1}
		return p.parameters()
	}
	if p.s != "" && p.s[0] == '(' {
		p.value = sfValue{kind: sfInnerList}
		return p.innerList() && p.parameters()
	}
	return p.bareItem(&p.value) && p.parameters()
}

// parameters are checked and dropped: a directive has none that count (RFC 9213, 2.1).
func (p *dictionary) parameters() bool {
	var ignored sfValue
	for p.take(';') {
		p.skip(' ')
		if p.readKey() == "" {
			return p.fail()
		}
		if p.take('=') && !p.bareItem(&ignored) {
			return false
		}
	}
	return true
}

func (p *dictionary) innerList() bool {
	var item sfValue
	names, only := []string{}, p.collect
	p.take('(')
	for {
		p.skip(' ')
		if p.take(')') {
			if only {
				p.strings = names
			}
			return true
		}
		before := p.s
		if !p.bareItem(&item) {
			return p.fail()
		}
		if only = only && item.kind == sfString; only {
			names = append(names, stringText(before[:len(before)-len(p.s)]))
		}
		if !p.parameters() {
			return p.fail()
		}
		if p.s == "" || p.s[0] != ' ' && p.s[0] != ')' {
			return p.fail()
		}
	}
}

// stringText is what a String says, given with its quotes.
func stringText(quoted string) string { return strings.Clone(unquote(quoted[1 : len(quoted)-1])) }

// readKey is the key at the front, "" when there is none: keys are lower-case (RFC 9651, 4.2.3.3).
func (p *dictionary) readKey() string {
	if p.s == "" || !isLower(p.s[0]) && p.s[0] != '*' {
		return ""
	}
	n := 1
	for n < len(p.s) && isKeyChar(p.s[n]) {
		n++
	}
	key := p.s[:n]
	p.s = p.s[n:]
	return key
}

func isKeyChar(c byte) bool {
	return isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*'
}

func (p *dictionary) take(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *dictionary) skip(c byte) {
	for p.take(c) {
	}
}

func (p *dictionary) skipSpace() {
	for p.s != "" && isSpace(p.s[0]) {
		p.s = p.s[1:]
	}
}

func (p *dictionary) fail() bool {
	p.failed = true
	p.s = ""
	return false
}
