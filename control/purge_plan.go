package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

const (
	// maxPurgeItems bounds what one purge may name.
	maxPurgeItems = 65_536

	// maxKeptRequest is the largest request, in bytes of JSON, that is kept as it was sent; of a larger one
	// its hash.
	maxKeptRequest = 32 << 10
)

// plan is a purge that was asked for, checked, with everything in the form that the log has.
type plan struct {
	mode  invalidation.Mode
	purge controllog.Purge // may be larger than an entry
}

// planPurge checks a request. The error is one for the client: 422 with the place, or 413.
func planPurge(r *client.PurgeRequest) (*plan, error) {
	mode, err := invalidation.ParseMode(r.Mode)
	if err != nil {
		return nil, wrong("mode", err)
	}
	if n := len(r.URLs) + len(r.Tags) + len(r.Prefixes) + len(r.Hosts) + len(r.Services); n > maxPurgeItems {
		return nil, huma.NewError(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the purge names %d things, the limit is %d: purge the service, or the host, as a whole", n, maxPurgeItems))
	}
	p := &plan{mode: mode, purge: controllog.Purge{Mode: mode.String(), Service: r.Service, All: r.All}}
	if p.purge.URLs, err = each("urls", r.URLs, purgeURL); err != nil {
		return nil, err
	}
	if p.purge.Prefixes, err = each("prefixes", r.Prefixes, purgePrefix); err != nil {
		return nil, err
	}
	if p.purge.Tags, err = each("tags", r.Tags, invalidation.CanonicalTag); err != nil {
		return nil, err
	}
	if p.purge.Hosts, err = each("hosts", r.Hosts, purgeHost); err != nil {
		return nil, err
	}
	if p.purge.Services, err = each("services", r.Services, serviceName); err != nil {
		return nil, err
	}
	return p, p.check()
}

// check refuses a purge of nothing, and a service that limits nothing.
func (p *plan) check() error {
	switch {
	case p.scopes() == 0:
		return mistaken("no such purge", client.Mistake{Location: "body", Message: controllog.ErrEmptyPurge.Error()})
	case p.purge.Service == "":
		return nil
	case len(p.purge.Tags) == 0:
		return mistaken("no such purge", client.Mistake{Location: "body.service", Message: "service limits tags, and there are none: to purge a service name it in services"})
	}
	if _, err := serviceName(p.purge.Service); err != nil {
		return wrong("service", err)
	}
	return nil
}

// each reads all items of a list, without repeating any.
func each[T comparable](field string, items []string, read func(string) (T, error)) ([]T, error) {
	list := make([]T, 0, len(items))
	known := make(map[T]struct{}, len(items))
	for i, item := range items {
		v, err := read(item)
		if err != nil {
			return nil, wrong(fmt.Sprintf("%s[%d]", field, i), err)
		}
		if _, repeated := known[v]; repeated {
			continue
		}
		known[v] = struct{}{}
		list = append(list, v)
	}
	return list, nil
}

func wrong(field string, err error) error {
	return mistaken("no such purge", client.Mistake{Location: "body." + field, Message: err.Error()})
}

// scopes is how many things the purge names.
func (p *plan) scopes() int {
	n := len(p.purge.Tags) + len(p.purge.URLs) + len(p.purge.Prefixes) + len(p.purge.Hosts) + len(p.purge.Services)
	if p.purge.All {
		n++
	}
	return n
}

// allowed reports whether somebody may do all of it: a token that is limited to some services reaches these, their
// tags, and what is on the hosts that they answer for. ownerOf names the service of a host, "" when there is none.
func (p *plan) allowed(who caller, ownerOf func(host string) string) error {
	if who.Reaches("") {
		return nil
	}
	asked := p.beyond(func(service string) bool { return service != "" && who.Reaches(service) }, ownerOf)
	if asked == "" {
		return nil
	}
	return huma.Error403Forbidden(who.IsLimited("may purge that, its tags and what is on its hosts, but not " + asked).Error())
}

// beyond is the first thing that the purge names and that belongs to no service in reach; "" when there is none.
func (p *plan) beyond(reaches func(service string) bool, ownerOf func(host string) string) string {
	switch {
	case p.purge.All:
		return "all"
	case len(p.purge.Tags) > 0 && !reaches(p.purge.Service):
		return "tags of " + orAll(p.purge.Service)
	}
	for _, s := range p.purge.Services {
		if !reaches(s) {
			return "service " + s
		}
	}
	for _, u := range p.purge.URLs {
		if u.Host == anyHost || !reaches(ownerOf(u.Host)) { // every host may be anybody's
			return shortURL("url", &u)
		}
	}
	for _, u := range p.purge.Prefixes {
		if !reaches(ownerOf(u.Host)) {
			return shortURL("prefix", &u)
		}
	}
	for _, h := range p.purge.Hosts {
		if !reaches(ownerOf(h)) {
			return "host " + h
		}
	}
	return ""
}

// shortURL names a URL in a message.
func shortURL(kind string, u *controllog.URL) string {
	return fmt.Sprintf("%s http://%.200s", kind, u.Host+u.Path+u.Query)
}

func orAll(service string) string {
	if service == "" {
		return "all services"
	}
	return "service " + service
}

// entries splits the purge into entries of the log.
func (p *plan) entries() []controllog.Purge {
	if p.scopes() <= controllog.MaxScopes {
		return []controllog.Purge{p.purge}
	}
	empty := func() controllog.Purge { return controllog.Purge{Mode: p.purge.Mode} }
	entries := []controllog.Purge{}
	for tags := range slices.Chunk(p.purge.Tags, controllog.MaxScopes) {
		e := empty()
		e.Service, e.Tags = p.purge.Service, tags
		entries = append(entries, e)
	}
	for urls := range slices.Chunk(p.purge.URLs, controllog.MaxScopes) {
		e := empty()
		e.URLs = urls
		entries = append(entries, e)
	}
	for prefixes := range slices.Chunk(p.purge.Prefixes, controllog.MaxScopes) {
		e := empty()
		e.Prefixes = prefixes
		entries = append(entries, e)
	}
	for hosts := range slices.Chunk(p.purge.Hosts, controllog.MaxScopes) {
		e := empty()
		e.Hosts = hosts
		entries = append(entries, e)
	}
	for services := range slices.Chunk(p.purge.Services, controllog.MaxScopes) {
		e := empty()
		e.Services = services
		entries = append(entries, e)
	}
	if p.purge.All {
		e := empty()
		e.All = true
		entries = append(entries, e)
	}
	return entries
}

// keptRequest is a purge's request as PostgreSQL keeps it.
type keptRequest struct {
	Mode    string               `json:"mode"`
	Scopes  int                  `json:"scopes"`
	Request *client.PurgeRequest `json:"request,omitempty"`
	SHA256  string               `json:"sha256,omitempty"` // of a long request, in its place
}

// keep is the request as it is kept: without what does not change what is purged, and with tags in the spelling that
// the log has, since jsonb has no place for a NUL.
func (p *plan) keep(r client.PurgeRequest) (json.RawMessage, error) {
	r.Wait, r.DryRun, r.Tags = "", false, p.purge.Tags
	kept := keptRequest{Mode: p.mode.String(), Scopes: p.scopes(), Request: &r}
	encoded, err := json.Marshal(kept)
	if err != nil || len(encoded) <= maxKeptRequest {
		return encoded, err
	}
	sum := sha256.Sum256(encoded)
	kept.Request, kept.SHA256 = nil, hex.EncodeToString(sum[:])
	return json.Marshal(kept)
}

// maxPurgedService bounds the name of a service in a purge, in bytes; no service's is longer.
const maxPurgedService = 64

// serviceName checks the name of a service, which need not exist: what is stored of one that was removed can
// be purged too.
func serviceName(s string) (string, error) {
	if s == "" || len(s) > maxPurgedService || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", fmt.Errorf("%.80q is not the name of a service", s)
	}
	return s, nil
}
