package simulation

import (
	"fmt"
	"strings"
	"time"

	"tiercache/loadtests/history"
	"tiercache/shared/controllog"
	"tiercache/shared/policy"
)

// Hosts of the services, which have their names in front.
const (
	ownHost  = "own.example"  // objects of the origin
	siteHost = "site.example" // a foreign site that purges what it changes
	lagHost  = "lag.example"  // one that reads from a replica
	fastHost = "fast.example" // one that purges nothing: what it says of freshness must do
)

// What the services say.
const (
	upstreamTimeout = 6 * time.Second
	upstreamLag     = 500 * time.Millisecond // declared
	replicaLag      = 400 * time.Millisecond // true, at most
	fastLifetime    = 2 * time.Second
	fastStale       = time.Second     // stale-while-revalidate
	fastOnError     = 2 * time.Second // stale-if-error
)

// resource is a page with its tags.
type resource struct {
	service, host, path string
	name                string // host and path
	tags                []string
	query               bool // clients ask for it with queries too, which change nothing
}

func newResource(host, path string, query bool, tags ...string) *resource {
	service, _, _ := strings.Cut(host, ".")
	return &resource{service: service, host: host, path: path, name: host + path, tags: tags, query: query}
}

func resources() []*resource {
	return []*resource{
		newResource(ownHost, "/a", false, "odd"), newResource(ownHost, "/b", false, "even"), newResource(ownHost, "/d/c", true, "odd"),
		newResource(siteHost, "/a", false, "odd"), newResource(siteHost, "/d/b", true, "even", "rare"), newResource(siteHost, "/d/c", false, "odd", "rare"),
		newResource(lagHost, "/a", false, "odd"), newResource(lagHost, "/b", false, "even"),
		newResource(fastHost, "/a", false, "odd"), newResource(fastHost, "/b", false, "even"),
	}
}

// own reports whether the origin has it.
func (r *resource) own() bool { return r.host == ownHost }

// cacheControl is what the upstream says of it.
func (r *resource) cacheControl() string {
	if r.host == fastHost {
		return fmt.Sprintf("max-age=%d, stale-while-revalidate=%d, stale-if-error=%d",
			int(fastLifetime.Seconds()), int(fastStale.Seconds()), int(fastOnError.Seconds()))
	}
	return "max-age=600, stale-while-revalidate=2, stale-if-error=600"
}

// page is what it is to a history.
func (r *resource) page() *history.Page {
	p := &history.Page{Service: r.service, Host: r.host, Path: r.path, Name: r.name, Tags: r.tags, Own: r.own()}
	switch r.host {
	case lagHost:
		p.Lag = upstreamLag
	case fastHost:
		p.Fresh, p.OnError = fastLifetime+fastStale, fastOnError
	}
	return p
}

// covers says whether a purge names what is stored for that target.
func covers(p *controllog.Purge, r *resource, query string) bool { return r.page().Covers(p, query) }

// services are the documents of one version of the policy. The second one has other keys and adds a tag.
func services(version int, strict string) []controllog.ServiceChange {
	var changes []controllog.ServiceChange
	for _, host := range []string{ownHost, siteHost, lagHost, fastHost} {
		name, _, _ := strings.Cut(host, ".")
		s := &policy.Service{Name: name, Hosts: []string{host}, Upstream: "http://site.example", Timeout: upstreamTimeout}
		switch host {
		case ownHost:
			s.Upstream = policy.UpstreamOrigin
		case lagHost:
			s.UpstreamLag = upstreamLag
		}
		if name == strict {
			s.OnPartition = policy.PartitionStrict
		}
		if version%2 == 0 {
			s.Rules = []policy.Rule{{Tags: []string{"ruled"}}, {Match: policy.Condition{Path: "/d/*"}, Key: policy.Key{Query: &policy.Query{Except: []string{"q"}}}}}
		}
		changes = append(changes, controllog.ServiceChange{Name: name, Version: version, Document: s})
	}
	return changes
}
