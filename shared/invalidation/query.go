package invalidation

import (
	"strings"

	"tiercache/shared/object"
)

// A service may keep a response under less than the query that was asked for, or under its parameters in another order
// (policy.Query). It is then one response for many URLs, which nobody can list, and a purge of any of them must reach
// it. So it belongs to scopes of one parameter, and a purge of a URL names the scopes of all the parameters that the
// URL has: whatever of them was kept, one of its parameters is among them. What is kept without any parameter belongs
// to the scope of the empty one.
//
// INVARIANT: the parameters under which a response is kept are among those of each URL that it is kept for, byte for
// byte, as "&" separates them.

// maxPurgedParams bounds the scopes of a purge of one URL. One with more parameters reaches all that is kept for the
// path under less than a whole query.
const maxPurgedParams = 4

// QueryScopes are those that a purge of a URL with a query names beside the URL's own. query begins with "?".
func QueryScopes(host, path, query string) []object.Scope {
	params := []string{""}
	for param := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		if param != "" {
			params = append(params, param)
		}
	}
	if len(params) > 1+maxPurgedParams {
		return []object.Scope{hashScope(domainQueries, host, path)}
	}
	scopes := make([]object.Scope, 0, len(params))
	for _, param := range params {
		scopes = append(scopes, hashScope(domainParam, host, path, param))
	}
	return scopes
}

// appendKeptScopes appends those of a response that is kept under query for an unknown number of URLs. Of its
// parameters one is enough; that with the longest value, the last such, is most likely to be its own.
func appendKeptScopes(dst []object.Scope, host, path, query string) []object.Scope {
	telling, longest := "", 0
	for param := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		if _, value, _ := strings.Cut(param, "="); param != "" && len(value) >= longest {
			telling, longest = param, len(value)
		}
	}
	return append(dst, hashScope(domainParam, host, path, telling), hashScope(domainQueries, host, path))
}
