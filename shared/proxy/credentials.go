package proxy

import (
	"slices"
	"strings"

	"tiercache/shared/httpcache"
)

// impersonal are the request fields that are known not to say who asks: what clients of one kind have in common, what
// they want of this one response, and the way that the request has come. What tells of the way names addresses too; a
// site that knows its users by those must not use early hints.
var impersonal = [...]string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Available-Dictionary", "Cache-Control", "CDN-Loop",
	"Dnt", "Host", "Pragma", "Priority", "Range", "Referer", "Save-Data", "Traceparent", "Tracestate",
	"Upgrade-Insecure-Requests", "User-Agent", "Via", clientField, hostField, protoField, "X-Real-Ip", "X-Request-Id",
}

// impersonalPrefixes are families of such fields. Those of the tiers are this fleet's own.
var impersonalPrefixes = [...]string{"If-", "Sec-Ch-", "Sec-Fetch-", tierPrefix}

// credentials are the lines of a request that could say who asks: all but those that are known not to. They are sorted,
// so that two requests with equal ones come from users whom the upstream cannot tell apart.
func credentials(h httpcache.Header) []string {
	var list []string
	for name, value := range h.All() {
		if !isImpersonal(name) {
			list = append(list, strings.ToLower(name)+":"+value)
		}
	}
	slices.Sort(list)
	return list
}

func isImpersonal(name string) bool {
	for _, prefix := range impersonalPrefixes {
		if len(name) >= len(prefix) && httpcache.SameName(name[:len(prefix)], prefix) {
			return true
		}
	}
	return slices.ContainsFunc(impersonal[:], func(known string) bool { return httpcache.SameName(name, known) })
}
