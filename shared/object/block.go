package object

import (
	"bytes"
	"iter"
	"strings"
	"unsafe"

	"tiercache/shared/httpcache"
)

// Block is a header block in wire form: "Name: value\r\n" for each field line, in
// order. It is an [httpcache.Indexed] that reads the bytes in place; the strings
// that it yields alias them, so they are valid as long as the block is and must
// not be kept beyond it.
//
// Value and Line do not allocate. Values and All do not either when they are
// ranged over directly; called through an interface they allocate their iterator.
type Block []byte

var _ httpcache.Indexed = Block(nil)

// MakeBlock returns the wire form of fields. A line break or NUL in a value
// becomes a space (RFC 9110, 5.5) and a field whose name is not a token is left
// out (RFC 9110, 5.1): whatever it is given, no field can add another one.
func MakeBlock(fields httpcache.Fields) Block {
	size := 0
	for _, f := range fields {
		size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	b := make(Block, 0, size)
	for _, f := range fields {
		if isToken(f.Name) {
			b = appendLine(b, f)
		}
	}
	return b
}

// appendLine appends one field line, with its value made safe.
func appendLine(b Block, f httpcache.Field) Block {
	b = append(b, f.Name...)
	b = append(b, ": "...)
	start := len(b)
	b = append(b, f.Value...)
	if strings.ContainsAny(f.Value, "\r\n\x00") {
		for i, c := range b[start:] {
			if c == '\r' || c == '\n' || c == 0 {
				b[start+i] = ' '
			}
		}
	}
	return append(b, "\r\n"...)
}

// Fields returns the block's fields as an owned list, which stays valid when the
// block does not.
func (b Block) Fields() httpcache.Fields {
	owned := Block(strings.Clone(alias(b)))
	fields := make(httpcache.Fields, 0, bytes.Count(b, []byte{'\n'}))
	for name, value := range owned.All() {
		fields = append(fields, httpcache.Field{Name: name, Value: value})
	}
	return fields
}

// Value returns the first field line named name, in any case, or "".
func (b Block) Value(name string) string {
	v, _ := b.Line(name, 0)
	return v
}

// Line returns the i-th field line, from 0, named name in any case; ok is false
// past the last one.
func (b Block) Line(name string, i int) (value string, ok bool) {
	for len(b) > 0 {
		var n, v []byte
		n, v, b = cutLine(b)
		if !equalFold(n, name) {
			continue
		}
		if i == 0 {
			return alias(v), true
		}
		i--
	}
	return "", false
}

// Values returns each field line named name, in any case, in order.
func (b Block) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) { b.eachValue(name, yield) }
}

// All returns each field line, in order.
func (b Block) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) { b.each(yield) }
}

func (b Block) eachValue(name string, yield func(string) bool) {
	for len(b) > 0 {
		var n, v []byte
		n, v, b = cutLine(b)
		if equalFold(n, name) && !yield(alias(v)) {
			return
		}
	}
}

func (b Block) each(yield func(string, string) bool) {
	for len(b) > 0 {
		var n, v []byte
		n, v, b = cutLine(b)
		if len(n) > 0 && !yield(alias(n), alias(v)) {
			return
		}
	}
}

// cutLine splits the first line of b into name and value, without the white space
// around the value. A line that is no field has an empty name.
func cutLine(b Block) (name, value []byte, rest Block) {
	line := []byte(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, rest = b[:i], b[i+1:]
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return nil, nil, rest
	}
	return line[:colon], bytes.Trim(line[colon+1:], " \t\r"), rest
}

// equalFold reports whether name is s, in any ASCII case. Field names are ASCII,
// so Unicode's folding would only let strange bytes match.
func equalFold(name []byte, s string) bool {
	if len(name) != len(s) || len(s) == 0 {
		return false
	}
	for i, c := range name {
		if lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// isToken reports whether s is a token (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := lower(s[i])
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// alias returns b as a string without copying. It is valid while b is unchanged.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
