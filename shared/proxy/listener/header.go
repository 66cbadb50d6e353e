package listener

import (
	"iter"
	"unsafe"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
)

// header reads fasthttp's parsed fields in place. Its strings alias the connection's buffer.
type header struct{ h *fasthttp.RequestHeader }

var _ httpcache.Indexed = (*header)(nil)

func (h *header) Value(name string) string { return alias(h.h.Peek(name)) }

func (h *header) Line(name string, i int) (string, bool) {
	all := h.h.PeekAll(name)
	if i >= len(all) {
		return "", false
	}
	return alias(all[i]), true
}

func (h *header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range h.h.PeekAll(name) {
			if !yield(alias(v)) {
				return
			}
		}
	}
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
