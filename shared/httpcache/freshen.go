package httpcache

// SelectedBy reports whether the 304 with header from304, which answered Conditional(stored), is about
// the stored response (RFC 9111, 4.3.4). An entity tag in the 304 must match: strongly when it is strong,
// weakly when it is weak; without one its Last-Modified must. A 304 without either is taken to be about
// what was asked. When it is not, the stored response is no longer what the upstream means: ask again
// without conditions, and freshen nothing.
func SelectedBy(stored, from304 Header) bool { return selectedBy(stored, from304, false) }

// WeaklySelectedBy is SelectedBy for a response that was encoded since it came: its entity tag is the weak form of
// the one that the upstream knows (EncodedFields), so that the weak comparison decides.
func WeaklySelectedBy(stored, from304 Header) bool { return selectedBy(stored, from304, true) }

func selectedBy(stored, from304 Header, weakly bool) bool {
	if has(from304, "ETag") {
		theirs, ok := storedETag(from304)
		ours, tagged := storedETag(stored)
		if !ok || !tagged {
			return false
		}
		return strongMatch(theirs, ours) || (weakly || theirs.weak) && weakMatch(theirs, ours)
	}
	theirs, ok := parseDate(from304.Value("Last-Modified"), pivotYear)
	if !ok {
		return true
	}
	ours, dated := parseDate(stored.Value("Last-Modified"), pivotYear)
	return !dated || theirs == ours
}

// notFreshened are the fields that a 304 never changes: they describe the stored bytes, not the
// exchange that validated them (RFC 9111, 3.2; RFC 9530, 3).
var notFreshened = [...]string{"Content-Length", "Content-Encoding", "Content-Range", "Content-Digest", "Content-MD5"}

// setCookies are the fields that set cookies (RFC 6265, 4.1; RFC 2965, 3.2.2).
var setCookies = [...]string{"Set-Cookie", "Set-Cookie2"}

// Freshens reports whether a 304 changes a stored field of that name.
func Freshens(name string) bool { return !nameIn(name, notFreshened[:]) }

// Freshen merges the 304 with header from304 into the stored fields (RFC 9111, 3.2 and 4.3.4). Each field
// of the 304 replaces all stored lines of that name; others stay. Left alone are the fields that describe
// the stored bytes, and Set-Cookie and Set-Cookie2 unless one is stored, for else it could be shared unseen. A stored
// Age is dropped, and a stored Date too when the 304 has none: both are of the exchange before.
//
// The result has memory of its own; stored is not changed. Next come NewMeta with the stored status, the
// result and the times of the revalidation, Storable again, and StoredFields with the new Meta.
func Freshen(stored Fields, from304 Header) Fields {
	news := collect(from304, connectionNamed(from304))
	news.Del(notFreshened[:]...)
	for _, cookie := range setCookies {
		if !stored.Has(cookie) {
			news.Del(cookie)
		}
	}
	merged := make(Fields, 0, len(stored)+len(news))
	for _, f := range stored {
		if !news.Has(f.Name) && !nameIn(f.Name, []string{"Age", "Date"}) {
			merged = append(merged, f)
		}
	}
	return own(append(merged, news...))
}
