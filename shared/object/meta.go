package object

import "tiercache/shared/httpcache"

// metaSize is the fixed width of version 1's metadata: status and eleven numbers.
const metaSize = 4 + 11*8

// putMeta writes m to b, which has metaSize bytes.
func putMeta(b []byte, m *httpcache.Meta) {
	order.PutUint32(b, uint32(m.Status))
	b = b[4:]
	for _, v := range [...]int64{
		m.RequestTime, m.ResponseTime, m.Date, m.Expires, m.LastModified, m.Age,
		m.MaxAge, m.SMaxAge, m.StaleWhileRevalidate, m.StaleIfError, int64(m.Flags),
	} {
		order.PutUint64(b, uint64(v))
		b = b[8:]
	}
}

// readMeta is putMeta's inverse.
func readMeta(b []byte) httpcache.Meta {
	at := func(i int) int64 { return int64(order.Uint64(b[4+8*i:])) }
	return httpcache.Meta{
		Status:      int(int32(order.Uint32(b))),
		RequestTime: at(0), ResponseTime: at(1),
		Date: at(2), Expires: at(3), LastModified: at(4), Age: at(5),
		MaxAge: at(6), SMaxAge: at(7), StaleWhileRevalidate: at(8), StaleIfError: at(9),
		Flags: httpcache.Flags(at(10)),
	}
}
