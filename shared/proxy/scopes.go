package proxy

import (
	"errors"
	"slices"

	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// maxScopes bounds the scopes of an entry whose tags add up over revalidations.
const maxScopes = 4 * invalidation.MaxTags

// scopesOf are the scopes of a response, or why it cannot be stored.
func (p *Proxy) scopesOf(service *policy.Match, host, target string, h httpcache.Fields) ([]object.Scope, httpcache.Reason) {
	if !p.logged {
		return nil, httpcache.ReasonNone
	}
	tags, err := invalidation.ParseTags(h.Values("Surrogate-Key"), h.Values("Cache-Tag"))
	if err != nil {
		return nil, httpcache.ReasonTooManyTags
	}
	tags, ok := appendGroupTags(tags, host, h)
	if !ok {
		return nil, httpcache.ReasonTooManyTags
	}
	ruling := service.Rule(target, nil)
	tags = appendRuleTags(tags, &ruling)
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{
		Service: service.Name, Host: host, Target: target, Tags: tags, OwnOrigin: service.Upstream == policy.UpstreamOrigin,
		ForMany: ruling.Rewrites() || keptForMany(h),
	})
	switch {
	case errors.Is(err, invalidation.ErrTooDeep):
		return nil, httpcache.ReasonTooDeep
	case err != nil:
		return nil, httpcache.ReasonTooManyTags
	}
	return scopes, httpcache.ReasonNone
}

// appendGroupTags appends the tags of the cache groups that a response of the host is in (RFC 9875, 2). ok is false
// when it is in more than can be kept: it would miss a purge.
func appendGroupTags(tags []string, host string, h httpcache.Fields) (all []string, ok bool) {
	groups, ok := httpcache.Groups(h)
	if len(groups) == 0 {
		return tags, ok
	}
	for _, name := range groups {
		tag, err := invalidation.GroupTag(host, name)
		if err != nil {
			return tags, false
		}
		tags = append(tags, tag)
	}
	return append(tags, invalidation.AnyGroupTag(host)), true
}

// scopeFields are the fields of a response that decide its scopes.
var scopeFields = [...]string{"Surrogate-Key", "Cache-Tag", "Cache-Groups", searchField}

// retagged are the scopes of a stored response after a 304, whose header is merged into fields: those that it had
// where the 304 has nothing that decides them. The tier that faces clients does not keep the fields that named them
// before, and a site's 304 may bring some of these fields without the others: what it leaves out still counts.
func (j *fill) retagged(old *object.Head, response *Response, fields httpcache.Fields) ([]object.Scope, httpcache.Reason) {
	named := func(name string) bool { return response.Header.Has(name) }
	if !slices.ContainsFunc(scopeFields[:], named) {
		return old.Scopes, httpcache.ReasonNone
	}
	scopes, why := j.p.scopesOf(j.service, j.request.Host, j.request.Target, fields)
	if why != httpcache.ReasonNone || !j.p.cfg.FacesClients || response.FromTier {
		return scopes, why
	}
	for _, scope := range old.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) > maxScopes {
		return nil, httpcache.ReasonTooManyTags
	}
	return scopes, httpcache.ReasonNone
}
