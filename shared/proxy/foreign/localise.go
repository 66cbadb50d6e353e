package foreign

import (
	"net/url"
	"strings"

	"tiercache/shared/httpcache"
)

// localise makes references to the upstream's own authority relative to the host that the client asked: it was the
// node that asked the upstream under that name, and a client that followed it would go past the cache.
func localise(fields httpcache.Fields, base *url.URL) {
	for i := range fields {
		if f := &fields[i]; f.Name == "Location" || f.Name == "Content-Location" {
			f.Value = local(f.Value, base)
		}
	}
}

// local is a reference without base, if it begins with that. One whose path begins with two slashes stays: without its
// authority it would name another one (RFC 3986, 4.2).
func local(reference string, base *url.URL) string {
	origin := base.Scheme + "://" + base.Host
	if len(reference) < len(origin) || !strings.EqualFold(reference[:len(origin)], origin) {
		return reference
	}
	rest := reference[len(origin):]
	switch {
	case rest == "", rest[0] == '?', rest[0] == '#':
		return "/" + rest
	case rest[0] != '/', strings.HasPrefix(rest, "//"):
		return reference
	}
	return rest
}
