package proxy

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// cut is what a Range request gets of a response that is known as a whole. The zero value is all of it.
type cut struct {
	use   httpcache.RangeUse
	parts []httpcache.ByteRange
	size  int64  // of the whole
	limit string // between the parts, when there are several
}

// cutOf decides which part of a response the request gets (RFC 9110, 14.2). inOrder says that its body can be read
// from the front only: parts that overlap or go back are not sent then, but the whole.
func (p *Proxy) cutOf(r *request, head *object.Head, size int64, inOrder bool) cut {
	if r.method != http.MethodGet || !r.parsed.Has(httpcache.RequestRange) {
		return cut{}
	}
	parts, use := httpcache.Ranges(r.header, head.Meta.Status, &head.Fields, size)
	c := cut{use: use, parts: parts, size: size}
	if len(parts) > 1 {
		if inOrder && !ascending(parts) {
			return cut{}
		}
		c.limit = rand.Text()
	}
	return c
}

// ascending reports whether each part begins behind the end of the one before.
func ascending(parts []httpcache.ByteRange) bool {
	for i := 1; i < len(parts); i++ {
		if parts[i].Start < parts[i-1].Start+parts[i-1].Length {
			return false
		}
	}
	return true
}

// first is where the body must be read from.
func (c *cut) first() int64 {
	if c.use != httpcache.RangeSatisfied {
		return 0
	}
	return c.parts[0].Start
}

// whole reports whether nothing is cut away.
func (c *cut) whole() bool { return c.use == httpcache.RangeIgnored }

// bytes is the payload of a body in memory.
func (c *cut) bytes(body []byte, head *object.Head) Payload {
	switch {
	case c.use == httpcache.RangeUnsatisfiable:
		return Payload{}
	case c.whole():
		return Payload{Bytes: body}
	case len(c.parts) == 1:
		part := c.parts[0]
		return Payload{Bytes: body[part.Start : part.Start+part.Length]}
	}
	var all []byte
	for i, part := range c.parts {
		all = append(all, c.heading(i, head)...)
		all = append(all, body[part.Start:part.Start+part.Length]...)
	}
	return Payload{Bytes: append(all, c.closing()...)}
}

// stream is the payload of a body that is read from position at on, which lies before the parts that it is cut to.
func (c *cut) stream(body io.ReadCloser, at int64, head *object.Head) Payload {
	switch {
	case c.use == httpcache.RangeUnsatisfiable:
		_ = body.Close() // it is not sent, so how it ends does not matter
		return Payload{}
	case c.whole():
		return Payload{Stream: body, Length: c.size}
	}
	payload := Payload{}
	pieces := make([]io.Reader, 0, 2*len(c.parts)+1)
	add := func(text []byte) {
		payload.Length += int64(len(text))
		pieces = append(pieces, &memory{text})
	}
	for i, part := range c.parts {
		if len(c.parts) > 1 {
			add(c.heading(i, head))
		}
		pieces = append(pieces, &section{body: body, skip: part.Start - at, left: part.Length})
		at, payload.Length = part.Start+part.Length, payload.Length+part.Length
	}
	if len(c.parts) > 1 {
		add(c.closing())
	}
	payload.Stream = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(pieces...), body}
	return payload
}

// heading goes before the i-th of several parts (RFC 9110, 14.6).
func (c *cut) heading(i int, head *object.Head) []byte {
	var text []byte
	if i > 0 {
		text = append(text, "\r\n"...)
	}
	text = fmt.Appendf(text, "--%s\r\n", c.limit)
	if media := head.Fields.Value("Content-Type"); media != "" {
		text = appendField(text, "Content-Type", media)
	}
	text = append(text, "Content-Range: "...)
	text = httpcache.AppendContentRange(text, c.parts[i], c.size)
	return append(text, "\r\n\r\n"...)
}

func (c *cut) closing() []byte { return fmt.Appendf(nil, "\r\n--%s--\r\n", c.limit) }

// appendHead appends the fields of the 206 or 416 that is made of a stored 200, and returns its status.
func (c *cut) appendHead(dst []byte, head *object.Head) ([]byte, int) {
	if c.use == httpcache.RangeUnsatisfiable {
		// Of the stored fields only the time: what they say is about the whole (RFC 9110, 15.5.17).
		dst = appendField(dst, "Date", head.Fields.Value("Date"))
		dst = append(dst, "Content-Range: "...)
		return append(httpcache.AppendUnsatisfied(dst, c.size), "\r\n"...), http.StatusRequestedRangeNotSatisfiable
	}
	several := len(c.parts) > 1
	for name, value := range head.Fields.All() {
		if httpcache.KeepInPart(name) && !(several && httpcache.SameName(name, "Content-Type")) {
			dst = appendField(dst, name, value)
		}
	}
	if several {
		return appendField(dst, "Content-Type", "multipart/byteranges; boundary="+c.limit), http.StatusPartialContent
	}
	dst = append(dst, "Content-Range: "...)
	return append(httpcache.AppendContentRange(dst, c.parts[0], c.size), "\r\n"...), http.StatusPartialContent
}

// memory is a piece of a payload that is there already.
type memory struct{ rest []byte }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// section reads left bytes of a body after skip others. A body that ends earlier is not whole.
type section struct {
	body       io.Reader
	skip, left int64
}

func (s *section) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.skip > 0 {
		n, err := io.CopyN(io.Discard, s.body, s.skip)
		if s.skip -= n; err != nil {
			return 0, cutShort(err)
		}
	}
	n, err := s.body.Read(p[:min(int64(len(p)), s.left)])
	if s.left -= int64(n); s.left == 0 {
		return n, nil
	}
	return n, cutShort(err)
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
