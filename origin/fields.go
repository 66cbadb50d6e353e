package origin

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// maxFields bounds the names and values of an object's Fields together, in bytes.
const maxFields = 16 << 10

// defaultContentType is what an object without a Content-Type is served as.
const defaultContentType = "application/octet-stream"

// Fields are the response fields stored with an object, by canonical name. Each of them is one of
// storedFields; the values are printable ASCII.
type Fields map[string]string

// storedFields are the request fields of a PUT that become part of the object. All others describe the
// request.
func storedFields() []storedField {
	return []storedField{
		{name: "Cache-Control", separator: ", "},
		{name: "Cache-Tag", separator: ", "},
		{name: "Cdn-Cache-Control", separator: ", "},
		{name: "Content-Disposition"},
		{name: "Content-Encoding", separator: ", "},
		{name: "Content-Language", separator: ", "},
		{name: "Content-Type"},
		{name: "Link", separator: ", "},
		{name: "Surrogate-Key", separator: " "},
	}
}

type storedField struct {
	name      string // canonical form
	separator string // joins several field lines; empty: there may be only one
}

// representationFields are the fields that say what the body's bytes mean, in the order in which the
// entity tag covers them.
func representationFields() [4]string {
	return [4]string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition"}
}

// FieldsOf takes the fields to store from those of a PUT request. The error says which is wrong.
func FieldsOf(h http.Header) (Fields, error) {
	fields := Fields{}
	total := 0
	for _, f := range storedFields() {
		value, err := f.value(h)
		if err != nil {
			return nil, err
		}
		if value == "" {
			continue
		}
		fields[f.name] = value
		total += len(f.name) + len(value)
	}
	if total > maxFields {
		return nil, fmt.Errorf("the fields to store have %d bytes, the limit is %d", total, maxFields)
	}
	if fields["Content-Type"] == "" {
		fields["Content-Type"] = defaultContentType
	}
	return fields, nil
}

// value joins the field's lines. Only printable ASCII is taken, because nothing else survives every
// server and cache on the way.
func (f storedField) value(h http.Header) (string, error) {
	lines := h[f.name]
	if len(lines) > 1 && f.separator == "" {
		return "", fmt.Errorf("%s is there %d times: send it once", f.name, len(lines))
	}
	value := strings.TrimSpace(strings.Join(lines, f.separator))
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c >= 0x7f {
			return "", fmt.Errorf("%s has the byte 0x%02x at %d: percent-encode what is not ASCII", f.name, c, i)
		}
	}
	return value, nil
}

func (f Fields) equal(other Fields) bool { return maps.Equal(f, other) }

// writeTo sets the fields on a response.
func (f Fields) writeTo(h http.Header) {
	for name, value := range f {
		h.Set(name, value)
	}
}
