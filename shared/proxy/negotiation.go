package proxy

import (
	"slices"
	"strings"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
)

// negotiation is what a service says of the fields that clients negotiate by, and of those that its rules make part of
// the key: what they are reduced to, for the upstream and for telling variants apart. The zero value leaves them as they
// are.
type negotiation struct {
	languages []string // of the site
	codings   []string // that this tier can put on content
	headers   []string // that are part of the key
	cookies   []string // that are part of the key; others do not count. nil: cookies are a field as any
}

// negotiationOf is that of a service on this tier: content is encoded by the tier that faces clients.
func (p *Proxy) negotiationOf(s *policy.Match, ruling *policy.Ruling) negotiation {
	n := negotiation{languages: s.Languages, headers: ruling.Headers, cookies: ruling.Cookies}
	if p.cfg.FacesClients {
		n.codings = s.Compress
	}
	return n
}

// reduced is what a field is reduced to; reduces is false where it stays as it is. present is false where nothing
// that the client would take can be offered.
func (n *negotiation) reduced(h httpcache.Header, name string) (value string, present, reduces bool) {
	choice, from := -1, []string(nil)
	switch {
	case len(n.languages) > 0 && httpcache.SameName(name, "Accept-Language"):
		choice, from = httpcache.BestLanguage(h, n.languages), n.languages
	case len(n.codings) > 0 && httpcache.SameName(name, "Accept-Encoding"):
		choice, from = httpcache.Preferred(h, n.codings), n.codings
	default:
		return "", false, false
	}
	if choice < 0 {
		return "", false, true
	}
	return from[choice], true, true
}

// rewrite makes the fields that go to the upstream those that variants are told apart by: what comes back is then the
// same for all requests that will be given it.
//
// INVARIANT: of fields whose values are put in order the upstream is sent the value that is in the key. By another one
// that means the same to us a client could choose what others are given: servers differ in how they read odd values.
func (n *negotiation) rewrite(f *httpcache.Fields, client httpcache.Header) {
	for _, name := range [...]string{"Accept-Language", "Accept-Encoding"} {
		value, present, reduces := n.reduced(client, name)
		if !reduces {
			value, present = n.selectingValue(client, name)
		} else if !present && name == "Accept-Encoding" {
			value, present = "identity", true // without the field, any coding may come
		}
		if f.Del(name); present {
			f.Add(name, value)
		}
	}
}

// selectingValue is the value of a selecting field that reaches the upstream.
func (n *negotiation) selectingValue(h httpcache.Header, name string) (string, bool) {
	if httpcache.KeptBack(h, name) {
		return "", false
	}
	if value, present, reduces := n.reduced(h, name); reduces {
		return value, present
	}
	selecting, present := n.appendSelecting(nil, h, name)
	return string(selecting), present
}

// appendSelecting appends the value of a selecting field that is not reduced to one of a few.
func (n *negotiation) appendSelecting(dst []byte, h httpcache.Header, name string) (value []byte, present bool) {
	if n.cookies != nil && httpcache.SameName(name, "Cookie") {
		return httpcache.AppendCookies(dst, h, n.cookies)
	}
	return httpcache.AppendSelecting(dst, h, name)
}

// keyed are the names of the fields that tell variants apart whatever Vary says, in lower case.
func (n *negotiation) keyed() []string {
	var names []string
	for _, name := range n.headers {
		names = append(names, strings.ToLower(name))
	}
	if len(n.cookies) > 0 {
		names = append(names, "cookie")
	}
	return names
}

// confine makes the fields that rules speak of, in what goes to the upstream, a function of what is in the key.
func (n *negotiation) confine(f *httpcache.Fields, client httpcache.Header) {
	names := n.headers
	if n.cookies != nil {
		names = append(slices.Clip(names), "Cookie")
	}
	for _, name := range names {
		value, present := n.selectingValue(client, name)
		if f.Del(name); present {
			f.Add(name, value)
		}
	}
}
