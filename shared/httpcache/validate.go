package httpcache

// Conditional makes the fields that ask the next tier whether the stored response is still good
// (RFC 9111, 4.3.1): If-None-Match with its entity tag, If-Modified-Since with its Last-Modified, or
// none. They replace the client's own conditions, which are about another response.
func Conditional(stored Header) Fields {
	var f Fields
	if _, ok := storedETag(stored); ok {
		f.Add("If-None-Match", trim(stored.Value("ETag")))
	}
	if _, ok := parseDate(stored.Value("Last-Modified"), pivotYear); ok {
		f.Add("If-Modified-Since", trim(stored.Value("Last-Modified")))
	}
	return own(f)
}

// NotModified evaluates the conditions of the client's request r against the stored response, which has
// that status, and says whether the answer is 304 (RFC 9111, 4.3.2). If-None-Match beats
// If-Modified-Since. Conditions do not count for other methods than GET and HEAD nor for responses other
// than 2xx (RFC 9110, 13.2.1). With Indexed headers it allocates nothing.
func NotModified(r Header, method string, status int, stored Header) bool {
	if m := ParseMethod(method); m != MethodGet && m != MethodHead {
		return false
	}
	if status < 200 || status > 299 {
		return false
	}
	if has(r, "If-None-Match") {
		return noneMatchFails(r, stored)
	}
	return unmodifiedSince(r, stored)
}

// noneMatchFails reports whether If-None-Match names the stored response. "*" names any; entity tags
// compare weakly (RFC 9110, 13.1.2).
func noneMatchFails(r, stored Header) bool {
	tag, tagged := storedETag(stored)
	l := linesOf(r, "If-None-Match")
	for line, ok := l.next(); ok; line, ok = l.next() {
		if trim(line) == "*" || tagged && matchesAny(line, tag) {
			return true
		}
	}
	return false
}

// unmodifiedSince evaluates If-Modified-Since, which is ignored when it is no valid date or repeated
// (RFC 9110, 13.1.3). A response without Last-Modified is as old as its Date (RFC 9111, 4.3.2).
func unmodifiedSince(r, stored Header) bool {
	value, present, several := single(r, "If-Modified-Since")
	if !present || several {
		return false
	}
	since, ok := parseDate(value, pivotYear)
	if !ok {
		return false
	}
	modified := stored.Value("Last-Modified")
	if modified == "" {
		modified = stored.Value("Date")
	}
	at, ok := parseDate(modified, pivotYear)
	return ok && at <= since
}

// KeepInNotModified reports whether a field of the stored response belongs into a 304 made from it: all
// but those that describe the content that a 304 does not have. ETag, Date, Cache-Control, Vary,
// Content-Location and Expires are required (RFC 9110, 15.4.5).
func KeepInNotModified(name string) bool {
	return !nameIn(name, contentFields[:])
}

var contentFields = [...]string{
	"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range",
	"Content-Digest", "Repr-Digest", "Content-MD5", "Accept-Ranges", "Trailer",
}
