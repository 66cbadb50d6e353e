package httpcache

import (
	"net/url"
	"slices"
	"strings"
)

// Bounds of No-Vary-Search: what is beyond them counts as bad syntax.
const (
	maxSearchRule   = 2048 // bytes of the field
	maxSearchParams = 64   // parameters of a query that is put in the rule's form
)

// SearchRule is what No-Vary-Search says of a URL's query: which differences do not matter
// (draft-ietf-httpbis-no-vary-search). The zero value is the default: each difference matters.
type SearchRule struct {
	KeyOrder bool     // the order of parameters with different names does not matter
	All      bool     // no parameter matters, except for Names
	Names    []string // decoded names: those that do not matter or, with All, those that do
}

// ParseSearchRule reads No-Vary-Search, a Structured Field Dictionary. Anything that it does not define, or
// that contradicts itself, is the default rule.
func ParseSearchRule(h Header) SearchRule {
	value := joined(h, "No-Vary-Search")
	if value == "" || len(value) > maxSearchRule {
		return SearchRule{}
	}
	var rule SearchRule
	var params, except *searchMember
	p := dictionary{s: value, collect: true}
	for p.next() {
		m := searchMember{value: p.value, names: p.strings}
		switch p.key {
		case "key-order":
			if m.value.kind != sfBoolean {
				return SearchRule{}
			}
			rule.KeyOrder = m.value.number == 1
		case "params":
			params = &m
		case "except":
			except = &m
		}
	}
	if p.failed || !rule.setParams(params, except) {
		return SearchRule{}
	}
	return rule
}

// searchMember is a member whose value may be a list of names.
type searchMember struct {
	value sfValue
	names []string // of an inner list of Strings; nil when another type is among them
}

// setParams takes params, a Boolean or a list of names, and except, a list that goes with params alone.
func (r *SearchRule) setParams(params, except *searchMember) bool {
	if params != nil {
		switch params.value.kind {
		case sfBoolean:
			r.All = params.value.number == 1
		case sfInnerList:
			r.Names = params.names
			if r.Names == nil {
				return false
			}
		default:
			return false
		}
	}
	if except == nil {
		return r.decode()
	}
	if !r.All || except.value.kind != sfInnerList || except.names == nil {
		return false
	}
	r.Names = except.names
	return r.decode()
}

// decode makes names comparable with those of a query.
func (r *SearchRule) decode() bool {
	for i, name := range r.Names {
		plain, err := url.QueryUnescape(name)
		if err != nil {
			return false
		}
		r.Names[i] = plain
	}
	return true
}

// Default reports whether each difference matters.
func (r *SearchRule) Default() bool { return !r.KeyOrder && !r.All && len(r.Names) == 0 }

// Normalise returns the target, a path with or without a query, in the form that all targets share whose
// differences do not matter: without the parameters that do not, and, when their order does not, the others
// sorted by name. It changes nothing else: what is left reaches the upstream byte for byte as a client sent it.
// A query of more than maxSearchParams parameters stays as it is.
func (r *SearchRule) Normalise(target string) string {
	path, query, found := strings.Cut(target, "?")
	if !found || r.Default() {
		return target
	}
	if strings.Count(query, "&") >= maxSearchParams {
		return target
	}
	type param struct{ name, text string }
	var params []param
	for text := range strings.SplitSeq(query, "&") {
		if text == "" {
			continue
		}
		encoded, _, _ := strings.Cut(text, "=")
		name, err := url.QueryUnescape(encoded)
		if err != nil {
			name = encoded // as a URL parser does: what is no escape stands for itself
		}
		if slices.Contains(r.Names, name) == r.All {
			params = append(params, param{name, text})
		}
	}
	if r.KeyOrder {
		slices.SortStableFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	}
	if len(params) == 0 {
		return path
	}
	kept := make([]string, len(params))
	for i, p := range params {
		kept[i] = p.text
	}
	return path + "?" + strings.Join(kept, "&")
}
