package httpcache

// directives are what the Cache-Control of a response, or a targeted field in its place, asks for.
type directives struct {
	flags                              Flags
	maxAge, sMaxAge                    int64 // s; -1 absent
	staleWhileRevalidate, staleIfError int64 // s; -1 absent
}

func noDirectives() directives {
	return directives{maxAge: -1, sMaxAge: -1, staleWhileRevalidate: -1, staleIfError: -1}
}

// switches are the directives whose presence alone says all. Restrictive ones count with an argument
// that they should not have, permissive ones do not.
var switches = [...]struct {
	name        string
	flag        Flags
	restrictive bool
}{
	{"no-store", FlagNoStore, true},
	{"no-cache", FlagNoCache, true},
	{"private", FlagPrivate, true},
	{"must-revalidate", FlagMustRevalidate, true},
	{"proxy-revalidate", FlagProxyRevalidate, true},
	{"no-transform", FlagNoTransform, true},
	{"public", FlagPublic, false},
	{"must-understand", FlagMustUnderstand, false},
	{"immutable", FlagImmutable, false},
}

// addSwitch sets the flag of name; plain is false when the directive has an argument.
func (d *directives) addSwitch(name string, plain bool) {
	for i := range switches {
		if s := &switches[i]; sameName(s.name, name) {
			if plain || s.restrictive {
				d.flags |= s.flag
			}
			return
		}
	}
}

// delta is where the seconds of name are kept, nil when name takes none.
func (d *directives) delta(name string) *int64 {
	switch {
	case sameName(name, "max-age"):
		return &d.maxAge
	case sameName(name, "s-maxage"):
		return &d.sMaxAge
	case sameName(name, "stale-while-revalidate"):
		return &d.staleWhileRevalidate
	case sameName(name, "stale-if-error"):
		return &d.staleIfError
	}
	return nil
}

// restrict notes sec. When a directive is repeated the smallest value counts: RFC 9111, 4.2.1 allows
// the first or stale, and the smallest is never fresher than the first.
func restrict(at *int64, sec int64) {
	if *at < 0 || sec < *at {
		*at = sec
	}
}
