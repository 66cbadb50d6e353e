package httpcache

import (
	"strconv"
	"strings"
)

// MaxRanges bounds the ranges of one request; a request for more gets the whole (RFC 9110, 14.2 and 17.15).
const MaxRanges = 16

// ByteRange is a part of a representation: Length bytes from Start.
type ByteRange struct{ Start, Length int64 }

// RangeUse is what becomes of a request's Range field.
type RangeUse uint8

const (
	RangeIgnored       RangeUse = iota // answer with the whole
	RangeSatisfied                     // answer 206 with the ranges
	RangeUnsatisfiable                 // answer 416
)

// Ranges evaluates Range and If-Range of a GET request against a complete stored response with the given header,
// whose content is length bytes long (RFC 9110, 14.2). The caller has evaluated the other conditions before.
//
// Range counts for a 200 alone, in one line and in bytes. One that cannot be read, that asks for more than MaxRanges
// or, over all, for more bytes than there are, is ignored, as is any while the content is empty or has a condition
// that is not met. Of several ranges those that lie beyond the end are left out.
func Ranges(r Header, status int, stored Header, length int64) ([]ByteRange, RangeUse) {
	value, present, several := single(r, "Range")
	if !present || several || status != 200 || length <= 0 {
		return nil, RangeIgnored
	}
	if !ifRangeHolds(r, stored) {
		return nil, RangeIgnored
	}
	return parseRanges(value, length)
}

// parseRanges reads a ranges-specifier (RFC 9110, 14.1.2).
func parseRanges(value string, length int64) ([]ByteRange, RangeUse) {
	const unit = "bytes="
	value = trim(value)
	if len(value) <= len(unit) || !sameName(value[:len(unit)], unit) {
		return nil, RangeIgnored
	}
	var ranges []ByteRange
	asked, sum := 0, int64(0)
	members := list{rest: value[len(unit):]}
	for spec, ok := members.next(); ok; spec, ok = members.next() {
		part, valid := parseRange(spec, length)
		if asked++; !valid || asked > MaxRanges {
			return nil, RangeIgnored
		}
		if part.Length > 0 {
			ranges = append(ranges, part)
			sum += part.Length
		}
	}
	switch {
	case asked == 0 || len(ranges) > 1 && sum > length:
		return nil, RangeIgnored
	case len(ranges) == 0:
		return nil, RangeUnsatisfiable
	}
	return ranges, RangeSatisfied
}

// parseRange reads an int-range or a suffix-range. One that lies beyond the end has no length.
func parseRange(spec string, length int64) (r ByteRange, valid bool) {
	dash := 0
	for dash < len(spec) && spec[dash] != '-' {
		dash++
	}
	if dash == len(spec) {
		return r, false
	}
	first, last := spec[:dash], spec[dash+1:]
	if first == "" {
		n, ok := parsePosition(last)
		n = min(n, length)
		return ByteRange{Start: length - n, Length: n}, ok
	}
	start, ok := parsePosition(first)
	if !ok {
		return r, false
	}
	end := length - 1
	if last != "" {
		if end, ok = parsePosition(last); !ok || end < start {
			return r, false
		}
	}
	if start >= length {
		return r, true
	}
	return ByteRange{Start: start, Length: min(end, length-1) - start + 1}, true
}

// maxPosition saturates positions, far above what any body reaches and far below where sums overflow.
const maxPosition = 1 << 60

// parsePosition reads digits, and nothing but digits.
func parsePosition(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), maxPosition)
	}
	return n, true
}

// ifRangeHolds evaluates If-Range (RFC 9110, 13.1.5): an entity tag must match strongly; a date must be exactly
// that of Last-Modified, which must be a strong validator: at least one second older than Date (8.8.2.2). What is
// neither does not hold.
func ifRangeHolds(r, stored Header) bool {
	value, present, several := single(r, "If-Range")
	if !present {
		return true
	}
	if several {
		return false
	}
	if theirs, ok := parseETag(value); ok {
		ours, tagged := storedETag(stored)
		return tagged && strongMatch(theirs, ours)
	}
	asked, ok := parseDate(value, pivotYear)
	if !ok {
		return false
	}
	modified, dated := parseDate(stored.Value("Last-Modified"), pivotYear)
	made, known := parseDate(stored.Value("Date"), pivotYear)
	return dated && known && modified == asked && made > modified
}

// AppendContentRange appends the value of Content-Range for a part of a representation (RFC 9110, 14.4).
func AppendContentRange(dst []byte, part ByteRange, length int64) []byte {
	dst = append(dst, "bytes "...)
	dst = strconv.AppendInt(dst, part.Start, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, part.Start+part.Length-1, 10)
	return appendLength(dst, length)
}

// AppendUnsatisfied appends the value of Content-Range for a 416 (RFC 9110, 15.5.17).
func AppendUnsatisfied(dst []byte, length int64) []byte {
	return appendLength(append(dst, "bytes *"...), length)
}

func appendLength(dst []byte, length int64) []byte {
	return strconv.AppendInt(append(dst, '/'), length, 10)
}

// SkipsFront reports whether Range asks for one part that does not begin with the first byte.
func SkipsFront(r Header) bool {
	value, present, several := single(r, "Range")
	if !present || several {
		return false
	}
	parts, use := parseRanges(value, maxPosition)
	return use == RangeSatisfied && len(parts) == 1 && parts[0].Start > 0
}

// ParseContentRange reads Content-Range of a 206: where the part begins, and the length of the whole. ok is false
// when it is not in bytes, the length is not known, or it contradicts itself (RFC 9110, 14.4).
func ParseContentRange(h Header) (first, length int64, ok bool) {
	value, present, several := single(h, "Content-Range")
	const unit = "bytes "
	if !present || several || len(value) <= len(unit) || !sameName(value[:len(unit)], unit) {
		return 0, 0, false
	}
	span, total, found := strings.Cut(value[len(unit):], "/")
	from, to, dashed := strings.Cut(span, "-")
	first, good := parsePosition(from)
	last, fine := parsePosition(to)
	length, known := parsePosition(total)
	return first, length, found && dashed && good && fine && known && first <= last && last < length
}

// KeepInPart reports whether a field of the stored 200 belongs into a 206 or into its parts: all but those that
// describe the content as it would be without Range. Digests of the whole representation stay: Repr-Digest means
// the same in a 206 (RFC 9530, 3), Content-Digest and Content-MD5 do not.
func KeepInPart(name string) bool { return !nameIn(name, wholeFields[:]) }

var wholeFields = [...]string{"Content-Length", "Content-Range", "Content-Digest", "Content-MD5"}
