package listener

import (
	"iter"
	"unsafe"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
)

// header reads fasthttp's parsed fields in place. Its strings alias the connection's buffer.
//
// It keeps the values that were asked for last: fasthttp goes through all fields to collect them, and whoever
// reads the lines of one name asks for them one by one.
type header struct {
	h      *fasthttp.RequestHeader
	name   []byte // of values; a copy, because callers reuse what their names are made of
	values [][]byte
	known  bool // name and values are set
}

var _ httpcache.Indexed = (*header)(nil)

// reset starts with another request's fields, or none.
func (h *header) reset(fields *fasthttp.RequestHeader) { *h = header{h: fields, name: h.name[:0]} }

func (h *header) Value(name string) string { return alias(h.h.Peek(name)) }

func (h *header) Line(name string, i int) (string, bool) {
	all := h.all(name)
	if i >= len(all) {
		return "", false
	}
	return alias(all[i]), true
}

func (h *header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range h.all(name) {
			if !yield(alias(v)) {
				return
			}
		}
	}
}

// all returns the values of a name. They are valid until those of another name are asked for.
func (h *header) all(name string) [][]byte {
	if !h.known || string(h.name) != name {
		h.name, h.values, h.known = append(h.name[:0], name...), h.h.PeekAll(name), true
	}
	return h.values
}

func (h *header) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for k, v := range h.h.All() {
			if !yield(alias(k), alias(v)) {
				return
			}
		}
	}
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
