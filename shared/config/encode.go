package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Encode writes the struct v as YAML that Decode reads back, in the order of its fields. Fields with their
// zero value are left out, except for pointers that are set: they mean what they say.
// A type of field that Decode could not read is the caller's bug and panics.
func Encode(v any) []byte {
	e := encoder{}
	e.fields(reflect.Indirect(reflect.ValueOf(v)), 0)
	if e.out.Len() == 0 {
		return []byte("{}\n")
	}
	return []byte(e.out.String())
}

type encoder struct{ out strings.Builder }

func (e *encoder) fields(v reflect.Value, depth int) {
	for i := range v.NumField() {
		sf, f := v.Type().Field(i), v.Field(i)
		key, inline := yamlName(sf)
		switch {
		case !sf.IsExported() || key == "-" || f.IsZero():
		case inline:
			e.fields(f, depth)
		default:
			e.line(depth, key+":")
			e.value(reflect.Indirect(f), depth)
		}
	}
}

// value goes behind the key or the dash that is written already.
func (e *encoder) value(v reflect.Value, depth int) {
	if text, ok := word(v); ok {
		e.out.WriteString(" " + scalar(reflect.ValueOf(text)) + "\n")
		return
	}
	switch {
	case v.Kind() == reflect.Map:
		e.entries(v, depth)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		for i := range v.Len() {
			e.line(depth, "-")
			e.element(reflect.Indirect(v.Index(i)), depth)
		}
	case v.Kind() == reflect.Slice:
		e.out.WriteString(" []\n")
	case v.Kind() == reflect.Struct:
		inner := encoder{}
		inner.fields(v, depth+1)
		if inner.out.Len() == 0 {
			e.out.WriteString(" {}\n")
			return
		}
		e.out.WriteString("\n" + inner.out.String())
	default:
		e.out.WriteString(" " + scalar(v) + "\n")
	}
}

// entries writes a map from names to single values, in the order of the names.
func (e *encoder) entries(v reflect.Value, depth int) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.out.WriteString("\n")
	for _, key := range keys {
		e.line(depth+1, scalar(key)+": "+scalar(v.MapIndex(key))+"\n")
	}
}

// word is the text of a struct that is written as one word, if it is of such a type and has one now.
func word(v reflect.Value) (text string, ok bool) {
	if v.Kind() != reflect.Struct || !v.CanAddr() {
		return "", false
	}
	m, ok := v.Addr().Interface().(encoding.TextMarshaler)
	if !ok {
		return "", false
	}
	b, err := m.MarshalText()
	return string(b), err == nil
}

// element is a value behind a dash: the first field of a struct is in the line of the dash.
func (e *encoder) element(v reflect.Value, depth int) {
	if v.Kind() != reflect.Struct {
		e.value(v, depth)
		return
	}
	inner := encoder{}
	inner.fields(v, depth+1)
	text := strings.TrimPrefix(inner.out.String(), "\n")
	if text == "" {
		text = "{}\n"
	}
	e.out.WriteString(" " + strings.TrimLeft(text, " "))
}

// line begins a line; what was written before it in the same value has none yet to end.
func (e *encoder) line(depth int, text string) {
	if s := e.out.String(); s != "" && !strings.HasSuffix(s, "\n") {
		e.out.WriteString("\n")
	}
	e.out.WriteString(strings.Repeat("  ", depth) + text)
}

// scalar writes one value; JSON's form of a string is YAML's too.
func scalar(v reflect.Value) string {
	if v.Kind() == reflect.String {
		text, err := json.Marshal(v.String())
		if err != nil {
			panic(fmt.Sprintf("config: %v", err)) // strings always have a JSON form
		}
		return string(text)
	}
	if !isLeaf(v.Type()) {
		panic(fmt.Sprintf("config: a field of type %v has no YAML form here", v.Type()))
	}
	return format(v)
}
