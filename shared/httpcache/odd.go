package httpcache

// maxPlainFields is how many bytes the fields of a plain request may have. Servers begin to refuse requests for their
// length at 8 KiB.
const maxPlainFields = 4 << 10

// Odd reports whether a request has fields by which it could have caused an error that others do not get: very long
// ones, or bytes that are not ASCII. Such an error must not be kept for others, whatever it says of its freshness.
func Odd(h Header) bool {
	size := 0
	for name, value := range h.All() {
		size += len(name) + len(value)
		for i := range len(value) {
			if c := value[i]; c >= 0x7f || c < ' ' && c != '\t' {
				return true
			}
		}
	}
	return size > maxPlainFields
}
