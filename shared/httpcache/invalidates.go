package httpcache

import (
	"net/url"
	"strings"
)

// Invalidates reports whether a response with that status to a request with that method makes what is stored for its
// URI invalid: a non-error response to an unsafe method, or to one that is not known to be safe (RFC 9111, 4.4).
func Invalidates(method string, status int) bool {
	return !ParseMethod(method).Safe() && status >= 200 && status < 400
}

// InvalidatedTargets are the targets, path and query, of the URIs beside the request's own that the header h of such
// a response makes invalid: those of Location and Content-Location, if they are of the same origin, that is have
// the same scheme, host and port (RFC 9111, 4.4). uri is that of the request: http or https, with an authority.
func InvalidatedTargets(uri *url.URL, h Header) []string {
	var targets []string
	for _, name := range [...]string{"Location", "Content-Location"} {
		value, present, several := single(h, name)
		if !present || several {
			continue
		}
		if target, ok := sameOriginTarget(uri, value); ok {
			targets = append(targets, target)
		}
	}
	return targets
}

// NamesTarget reports whether Content-Location of h is the URI itself: content that a POST yields is then that of the
// resource, and may answer a later GET (RFC 9110, 9.3.3).
func NamesTarget(uri *url.URL, h Header) bool {
	value, present, several := single(h, "Content-Location")
	if !present || several {
		return false
	}
	target, ok := sameOriginTarget(uri, value)
	return ok && target == requestTarget(uri)
}

// sameOriginTarget resolves a reference and returns its target when it is of the URI's origin.
func sameOriginTarget(uri *url.URL, reference string) (string, bool) {
	other, err := url.Parse(trim(reference))
	if err != nil || other.Opaque != "" {
		return "", false
	}
	// Dots are taken out by resolving, and nothing else is: an upstream that refers to itself by path means it as it is.
	other = uri.ResolveReference(other)
	same := other.Scheme == uri.Scheme && strings.EqualFold(hostOf(other), hostOf(uri)) && portOf(other) == portOf(uri)
	return requestTarget(other), same
}

// hostOf is the host without a final dot, which names the same one (RFC 3986, 3.2.2).
func hostOf(u *url.URL) string { return strings.TrimSuffix(u.Hostname(), ".") }

func requestTarget(u *url.URL) string {
	target := u.EscapedPath()
	if target == "" {
		target = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		target += "?" + u.RawQuery
	}
	return target
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
