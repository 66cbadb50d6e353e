package origin

import (
	"net/http"
	"net/url"
	"strings"

	"tiercache/origin/api"
)

// route is which interface and resource a request is for.
type route uint8

const (
	routePublic  route = iota // a public read
	routeObject               // one object, by API
	routeListing              // a host's objects, by API

	routeCount
)

// String is the route as metrics and spans name it.
func (r route) String() string {
	switch r {
	case routeObject:
		return "object"
	case routeListing:
		return "listing"
	default:
		return "public"
	}
}

// routeNames lists the names of all routes, in their order.
func routeNames() []string {
	names := make([]string, routeCount)
	for r := range routeCount {
		names[r] = r.String()
	}
	return names
}

// target is what a request names. For a listing, the path is empty.
type target struct {
	route      route
	host, path string
}

// targetOf decides between the two interfaces as the package comment says. It checks nothing else.
func targetOf(r *http.Request) target {
	path := rawPath(r)
	rest, isAPI := strings.CutPrefix(path, api.Prefix)
	if !isAPI || forwarded(r.Header) {
		return target{route: routePublic, host: withoutPort(r.Host), path: path}
	}
	host, tail, isObject := strings.Cut(rest, "/")
	if decoded, err := url.PathUnescape(host); err == nil {
		host = decoded // brackets of an IPv6 address may come encoded
	}
	if !isObject {
		return target{route: routeListing, host: host}
	}
	return target{route: routeObject, host: host, path: "/" + tail}
}

// forwarded reports whether a cache or another proxy passed the request on: each must add itself to Via
// (RFC 9110, 7.6.3), a CDN to CDN-Loop (RFC 8586), and our tiers show their secret.
func forwarded(h http.Header) bool {
	return len(h["Via"]) > 0 || len(h["Cdn-Loop"]) > 0 || len(h["Tiercache-Tier"]) > 0
}

// rawPath is the path of the request target byte for byte, also of one in absolute form.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	_, rest, ok := strings.Cut(path, "://")
	if !ok {
		return path // "*"; no object has such a path
	}
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return rest[slash:]
	}
	return "/"
}

// withoutPort is the host of a Host field.
func withoutPort(hostport string) string {
	colon := strings.LastIndexByte(hostport, ':')
	if colon < 0 || strings.HasSuffix(hostport, "]") {
		return hostport
	}
	for _, c := range hostport[colon+1:] {
		if c < '0' || c > '9' {
			return hostport
		}
	}
	return hostport[:colon]
}
