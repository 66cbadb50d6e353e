package cachekey

import "encoding/binary"

// Marks of a selecting field: one that the request lacks selects another variant
// than one that is present and empty (RFC 9111, 4.1).
const (
	fieldAbsent  = 0
	fieldPresent = 1
)

// AppendVariant appends the key of one variant of the response stored under
// primary and returns the extended slice. names are the selecting request fields
// in the order in which the caller always gives them (lower-case and sorted);
// value returns the request's normalised value of one and whether the request
// has it. value is called once for each name, in order, and is not kept.
//
// primary must not overlap dst's free room.
func AppendVariant(dst, primary []byte, names []string, value func(name string) (string, bool)) []byte {
	dst = append(dst, tagVariant...)
	dst = binary.AppendUvarint(dst, uint64(len(primary)))
	dst = append(dst, primary...)
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendString(dst, name)
		v, present := value(name)
		if !present {
			dst = append(dst, fieldAbsent)
			continue
		}
		dst = append(dst, fieldPresent)
		dst = appendString(dst, v)
	}
	return dst
}
