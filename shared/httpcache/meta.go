package httpcache

import "time"

// maxDelta is the largest number of seconds that counts: larger ones are taken as this one, about 68
// years (RFC 9111, 1.2.2).
const maxDelta = 1 << 31

// Flags are what a stored response says about its own use. The bits are part of the stored format: a
// bit never changes its meaning.
type Flags uint32

const (
	FlagNoStore         Flags = 1 << iota // no-store
	FlagNoCache                           // no-cache without field names
	FlagNoCacheFields                     // no-cache="f": stored without f
	FlagPrivate                           // private without field names
	FlagPrivateFields                     // private="f": stored without f
	FlagPublic                            // public
	FlagMustRevalidate                    // must-revalidate
	FlagProxyRevalidate                   // proxy-revalidate
	FlagMustUnderstand                    // must-understand
	FlagNoTransform                       // no-transform
	FlagImmutable                         // immutable (RFC 8246); never lengthens freshness
	FlagExpires                           // an Expires field counts; Meta.Expires is 0 when it is invalid, which is stale
	FlagTargeted                          // a targeted field took the place of Cache-Control and Expires (RFC 9213)
	FlagETag                              // a well-formed entity tag
	FlagEncoded                           // this tier put the content coding on; set by who does, never by NewMeta
	FlagHTTP10                            // it came in HTTP/1.0; set by who receives it, for Via
	FlagHTTP2                             // it came in HTTP/2; likewise

	// FlagPurged is set at use and never stored: a soft purge made the response stale, however much of its
	// lifetime is left.
	FlagPurged Flags = 1 << 31
)

// Has reports whether all bits of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Any reports whether one bit of some is set.
func (f Flags) Any(some Flags) bool { return f&some != 0 }

// Meta is all that decides about a stored response, read once when it arrives and stored with it, so
// that a hit parses nothing.
type Meta struct {
	Status       int
	RequestTime  int64 // when the request that yielded the response, or last validated it, was sent; Unix ms
	ResponseTime int64 // when its head arrived; Unix ms

	Date         int64 // Unix s; 0 absent or invalid, then ResponseTime counts
	Expires      int64 // Unix s; 0 absent, or invalid when FlagExpires is set
	LastModified int64 // Unix s; 0 absent or invalid

	Age                  int64 // received Age in s, 0 when absent or invalid
	MaxAge               int64 // s; -1 absent
	SMaxAge              int64 // s; -1 absent
	StaleWhileRevalidate int64 // s; -1 absent
	StaleIfError         int64 // s; -1 absent

	Flags Flags
}

// TargetedField is the targeted cache control field that NewMeta obeys (RFC 9213, 3.1).
const TargetedField = "CDN-Cache-Control"

// NewMeta reads the response header h, which came with status. requested is when the request was sent,
// received when the head arrived. After a 304 it is called with the stored status, the freshened fields
// and the times of the revalidation.
func NewMeta(status int, h Header, requested, received time.Time) Meta {
	return NewMetaTargeted(status, h, requested, received, TargetedField)
}

// NewMetaTargeted is NewMeta for a cache with its own target list: the first of targets that is present
// and valid takes the place of Cache-Control and Expires (RFC 9213, 2.2). Each but SurrogateField is a Structured
// Field Dictionary; one that does not parse, or is empty, counts as absent.
func NewMetaTargeted(status int, h Header, requested, received time.Time, targets ...string) Meta {
	m := Meta{
		Status:       status,
		RequestTime:  requested.UnixMilli(),
		ResponseTime: received.UnixMilli(),
		Age:          receivedAge(h),
	}
	year := received.UTC().Year()
	m.Date = dateField(h, "Date", year)
	m.LastModified = dateField(h, "Last-Modified", year)
	m.setDirectives(h, targets)
	if !m.Flags.Has(FlagTargeted) {
		m.setExpires(h, year)
	}
	if _, ok := storedETag(h); ok {
		m.Flags |= FlagETag
	}
	return m
}

// HasValidator reports whether a conditional request can be made from the stored response.
func (m *Meta) HasValidator() bool { return m.Flags.Has(FlagETag) || m.LastModified != 0 }

// ExplicitlyFresh reports whether the response says itself how long it is fresh.
func (m *Meta) ExplicitlyFresh() bool {
	return m.MaxAge >= 0 || m.SMaxAge >= 0 || m.Flags.Has(FlagExpires)
}

func (m *Meta) setDirectives(h Header, targets []string) {
	d, ok := targeted(h, targets)
	if ok {
		d.flags |= FlagTargeted
	} else {
		d = responseDirectives(h)
	}
	m.MaxAge, m.SMaxAge = d.maxAge, d.sMaxAge
	m.StaleWhileRevalidate, m.StaleIfError = d.staleWhileRevalidate, d.staleIfError
	m.Flags |= d.flags
}

// setExpires leaves Expires 0 when the field is invalid: a date in any other format than the three of
// RFC 9110, 5.6.7, or several lines (RFC 9111, 4.2.1 and 5.3).
func (m *Meta) setExpires(h Header, year int) {
	value, present, several := single(h, "Expires")
	if !present {
		return
	}
	m.Flags |= FlagExpires
	if sec, ok := parseDate(value, year); ok && !several {
		m.Expires = sec
	}
}

// dateField is the date in the first line of that name, 0 when it is absent or invalid.
func dateField(h Header, name string, year int) int64 {
	sec, ok := parseDate(h.Value(name), year)
	if !ok {
		return 0
	}
	return sec
}

// receivedAge is the first member of the Age field, saturated at maxDelta. Anything but digits is
// ignored (RFC 9111, 5.1).
func receivedAge(h Header) int64 {
	l := list{rest: h.Value("Age")}
	first, _ := l.next()
	age, ok := parseDelta(first)
	if !ok {
		return 0
	}
	return age
}
