package httpcache

// maxIntegerDigits and its kin bound the numbers of Structured Fields (RFC 9651, 3.3.1 and 3.3.2).
const (
	maxIntegerDigits  = 15
	maxWholeDigits    = 12 // of a Decimal
	maxFractionDigits = 3
)

// bareItem reads an item without parameters (RFC 9651, 4.2.3.1).
func (p *dictionary) bareItem(v *sfValue) bool {
	if p.s == "" {
		return p.fail()
	}
	switch c := p.s[0]; {
	case c == '-' || isDigit(c):
		return p.number(v)
	case c == '"':
		return p.quoted(v)
	case c == '*' || isAlpha(c):
		return p.token(v)
	case c == ':':
		return p.byteSequence(v)
	case c == '?':
		return p.boolean(v)
	case c == '@':
		return p.date(v)
	case c == '%':
		return p.display(v)
	}
	return p.fail()
}

// number reads an Integer or a Decimal (RFC 9651, 4.2.4).
func (p *dictionary) number(v *sfValue) bool {
	sign := int64(1)
	if p.take('-') {
		sign = -1
	}
	whole := p.digits()
	if whole == "" {
		return p.fail()
	}
	if !p.take('.') {
		if len(whole) > maxIntegerDigits {
			return p.fail()
		}
		*v = sfValue{kind: sfInteger, number: sign * decimal(whole)}
		return true
	}
	fraction := p.digits()
	if len(whole) > maxWholeDigits || fraction == "" || len(fraction) > maxFractionDigits {
		return p.fail()
	}
	*v = sfValue{kind: sfDecimal}
	return true
}

func (p *dictionary) digits() string {
	n := 0
	for n < len(p.s) && isDigit(p.s[n]) {
		n++
	}
	digits := p.s[:n]
	p.s = p.s[n:]
	return digits
}

// decimal is the value of at most maxIntegerDigits digits.
func decimal(digits string) (n int64) {
	for i := 0; i < len(digits); i++ {
		n = n*10 + int64(digits[i]-'0')
	}
	return n
}

// isStringChar is what may stand in a String; a backslash and a quote only after a backslash.
func isStringChar(c byte) bool { return c >= 0x20 && c < 0x7f }

// quoted reads a String (RFC 9651, 4.2.5).
func (p *dictionary) quoted(v *sfValue) bool {
	for i := 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.s = p.s[i+1:]
			*v = sfValue{kind: sfString}
			return true
		case c == '\\':
			i++
			if i == len(p.s) || p.s[i] != '"' && p.s[i] != '\\' {
				return p.fail()
			}
		case !isStringChar(c):
			return p.fail()
		}
	}
	return p.fail()
}

// token reads a Token (RFC 9651, 4.2.6); the first character has been seen.
func (p *dictionary) token(v *sfValue) bool {
	p.s = p.s[sfTokenEnd(p.s):]
	*v = sfValue{kind: sfToken}
	return true
}

// sfTokenEnd is the index after the sf-token at the front of s, 0 when there is none.
func sfTokenEnd(s string) int {
	if s == "" || s[0] != '*' && !isAlpha(s[0]) {
		return 0
	}
	n := 1
	for n < len(s) && (isTokenChar(s[n]) || s[n] == ':' || s[n] == '/') {
		n++
	}
	return n
}

// byteSequence reads :base64: without decoding it (RFC 9651, 4.2.7).
func (p *dictionary) byteSequence(v *sfValue) bool {
	for i := 1; i < len(p.s); i++ {
		c := p.s[i]
		if c == ':' {
			p.s = p.s[i+1:]
			*v = sfValue{kind: sfBytes}
			return true
		}
		if !isAlpha(c) && !isDigit(c) && c != '+' && c != '/' && c != '=' {
			return p.fail()
		}
	}
	return p.fail()
}

func (p *dictionary) boolean(v *sfValue) bool {
	if len(p.s) < 2 || p.s[1] != '0' && p.s[1] != '1' {
		return p.fail()
	}
	*v = sfValue{kind: sfBoolean, number: int64(p.s[1] - '0')}
	p.s = p.s[2:]
	return true
}

// date reads "@" and an Integer (RFC 9651, 4.2.9).
func (p *dictionary) date(v *sfValue) bool {
	p.take('@')
	if !p.number(v) {
		return false
	}
	if v.kind != sfInteger {
		return p.fail()
	}
	v.kind = sfDate
	return true
}

// display reads a Display String (RFC 9651, 4.2.10): percent-encoding with lower-case digits. That its
// bytes are UTF-8 is not checked, since no directive uses the type.
func (p *dictionary) display(v *sfValue) bool {
	if len(p.s) < 2 || p.s[1] != '"' {
		return p.fail()
	}
	for i := 2; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.s = p.s[i+1:]
			*v = sfValue{kind: sfDisplay}
			return true
		case c == '%':
			if i+2 >= len(p.s) || !isLowerHex(p.s[i+1]) || !isLowerHex(p.s[i+2]) {
				return p.fail()
			}
			i += 2
		case !isStringChar(c):
			return p.fail()
		}
	}
	return p.fail()
}

func isLowerHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' }
