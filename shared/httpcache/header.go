package httpcache

import (
	"iter"
	"slices"
	"strings"
)

// Header is read access to a message's fields. Names match without regard to case. Values are given
// without leading and trailing white space and may alias the message's buffer.
type Header interface {
	// Value is the first field line of that name, "" when there is none.
	Value(name string) string
	// Values yields each field line of that name, in order.
	Values(name string) iter.Seq[string]
	// All yields every field line as name and value, in order.
	All() iter.Seq2[string, string]
}

// Indexed is a Header whose lines can be reached by number. An iterator behind an interface costs an
// allocation, a call does not: the types that requests on the hit path come in implement Indexed.
type Indexed interface {
	Header
	// Line is the i-th field line (from 0) of that name; ok is false past the last.
	Line(name string, i int) (value string, ok bool)
}

// Field is one field line.
type Field struct{ Name, Value string }

// Fields is an owned list of field lines in the order of the message. It implements Header and Indexed.
type Fields []Field

var _ Indexed = Fields(nil)

// Value implements Header.
func (f Fields) Value(name string) string {
	v, _ := f.Line(name, 0)
	return v
}

// Line implements Indexed.
func (f Fields) Line(name string, i int) (string, bool) {
	for k := range f {
		if !sameName(f[k].Name, name) {
			continue
		}
		if i == 0 {
			return f[k].Value, true
		}
		i--
	}
	return "", false
}

// Values implements Header.
func (f Fields) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range f {
			if sameName(f[k].Name, name) && !yield(f[k].Value) {
				return
			}
		}
	}
}

// All implements Header.
func (f Fields) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for k := range f {
			if !yield(f[k].Name, f[k].Value) {
				return
			}
		}
	}
}

// Has reports whether there is a line of that name, an empty one included.
func (f Fields) Has(name string) bool {
	_, ok := f.Line(name, 0)
	return ok
}

// Clone is a copy that shares no memory with f, nor with the message that f was read from.
func (f Fields) Clone() Fields {
	return own(slices.Clone(f))
}

// Add appends a line.
func (f *Fields) Add(name, value string) {
	*f = append(*f, Field{Name: name, Value: value})
}

// Set replaces all lines of that name by one, in the place of the first, else at the end.
func (f *Fields) Set(name, value string) {
	for k := range *f {
		if sameName((*f)[k].Name, name) {
			(*f)[k].Value = value
			rest := (*f)[k+1:]
			kept := slices.DeleteFunc(rest, func(o Field) bool { return sameName(o.Name, name) })
			*f = (*f)[:k+1+len(kept)]
			return
		}
	}
	f.Add(name, value)
}

// Del removes all lines of those names.
func (f *Fields) Del(names ...string) {
	*f = slices.DeleteFunc(*f, func(o Field) bool { return nameIn(o.Name, names) })
}

// own moves the text of f, which may alias a message's buffer, into one allocation of its own. It
// changes f in place and returns it.
func own(f Fields) Fields {
	n := 0
	for k := range f {
		n += len(f[k].Name) + len(f[k].Value)
	}
	var b strings.Builder
	b.Grow(n)
	for k := range f {
		b.WriteString(f[k].Name)
		b.WriteString(f[k].Value)
	}
	text := b.String()
	for k := range f {
		name, value := len(f[k].Name), len(f[k].Value)
		f[k] = Field{Name: text[:name], Value: text[name : name+value]}
		text = text[name+value:]
	}
	return f
}

func nameIn(name string, names []string) bool {
	for _, n := range names {
		if sameName(n, name) {
			return true
		}
	}
	return false
}

// lines walks the field lines of one name. With an Indexed header it allocates nothing.
type lines struct {
	indexed Indexed
	name    string
	i       int
	rest    []string // of a header that is not Indexed
}

func linesOf(h Header, name string) lines {
	if ix, ok := h.(Indexed); ok {
		return lines{indexed: ix, name: name}
	}
	return lines{rest: slices.Collect(h.Values(name))}
}

func (l *lines) next() (string, bool) {
	if l.indexed != nil {
		v, ok := l.indexed.Line(l.name, l.i)
		l.i++
		return v, ok
	}
	if len(l.rest) == 0 {
		return "", false
	}
	v := l.rest[0]
	l.rest = l.rest[1:]
	return v, true
}

// single is the value of a field that may have one line only; several is true when it has more.
func single(h Header, name string) (value string, present, several bool) {
	l := linesOf(h, name)
	value, present = l.next()
	if present {
		_, several = l.next()
	}
	return value, present, several
}

func has(h Header, name string) bool {
	l := linesOf(h, name)
	_, ok := l.next()
	return ok
}

// SameName reports whether two field names are the same, in whatever case.
func SameName(a, b string) bool { return sameName(a, b) }

// sameName compares names, which are ASCII, without regard to case. Names of other lengths are told
// apart at once.
func sameName(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}
