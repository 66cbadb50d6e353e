package httpcache

import "strings"

// unkeyed are request fields by which servers, frameworks and other proxies are told another method, scheme, host, path
// or client than those of the request, and others that could change a response without being part of a key. Clients'
// own are dropped (CVE-2018-14773, httpoxy and the like).
var unkeyed = [...]string{
	"Forwarded", "Front-End-Https", "Proxy", "Proxy-Host", "Base-Url", "Request-Uri", "Surrogate-Capability",
	"X-Host", "X-Host-Override", "X-Http-Host-Override", "X-Backend-Host", "X-Server-Name",
	"X-Http-Method-Override", "X-Method-Override", "X-Http-Method",
	"X-Scheme", "X-Url-Scheme", "X-Proto", "X-Protocol", "X-Ssl", "X-Arr-Ssl", "X-Https",
	"X-Request-Uri", "X-Url", "X-Script-Name", "X-Prefix", "X-Accel-Mapping", "X-Sendfile-Type",
	"X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "X-Cluster-Client-Ip", "X-Remote-Addr", "X-Remote-Ip",
	"X-Originating-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip",
}

// unkeyedPrefixes are families of such fields.
var unkeyedPrefixes = [...]string{"X-Forwarded", "X-Original-", "X-Rewrite-", "X-Envoy-"}

// Unkeyed reports whether a client's request field of that name is dropped: it could change the response without being
// part of the key. Fields with an underscore are, since some servers take it for a dash.
func Unkeyed(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return true
	}
	for _, prefix := range unkeyedPrefixes {
		if len(name) >= len(prefix) && sameName(name[:len(prefix)], prefix) {
			return true
		}
	}
	return nameIn(name, unkeyed[:])
}
