package history

import (
	"slices"
	"strings"
	"time"

	"tiercache/shared/controllog"
)

// Page is something that clients read, in versions that are numbered in the order of their commits.
type Page struct {
	Service, Host, Path string
	Name                string // host and path
	Tags                []string
	Own                 bool          // an object of the origin, whose content and stamp are of one snapshot
	Lag                 time.Duration // upstream_lag of its service
	// Fresh is how long a version may be given after it was replaced, for a page that purges nothing; 0: it is purged.
	// OnError is how much longer when it stands in for an error.
	Fresh, OnError time.Duration
}

// Covers says, in the words of a purge and not by its hashes, whether it names what is stored for the page and that query.
func (p *Page) Covers(purge *controllog.Purge, query string) bool {
	return purge.All || slices.Contains(purge.Services, p.Service) || slices.Contains(purge.Hosts, p.Host) ||
		slices.ContainsFunc(purge.URLs, func(u controllog.URL) bool {
			return u.Host == p.Host && u.Path == p.Path && (u.Query == "" || u.Query == query)
		}) ||
		slices.ContainsFunc(purge.Prefixes, func(u controllog.URL) bool {
			return u.Host == p.Host && strings.HasPrefix(p.Path, u.Path)
		}) ||
		slices.ContainsFunc(purge.Tags, func(tag string) bool {
			return slices.Contains(p.Tags, tag) && (purge.Service == "" || purge.Service == p.Service)
		})
}

// Write is something that was committed, or rolled back: a purge, perhaps with new versions in the same transaction.
type Write struct {
	ID         string
	Purge      controllog.Purge
	Soft       bool
	RolledBack bool
	Purges     bool      // as all do but some terms
	Committed  time.Time // at the latest
	// Floors are the versions of what the purge covers as of the commit: nothing older may follow it.
	Floors map[string]int
	Lost   bool   // its branch of the log was lost
	Epoch  uint64 // at most; 0: it is not in the log

	Completed time.Time         // when it was said to be complete; zero: never
	Receipts  map[string]string // the state of each member then
}

// Read is a request of a client that was answered with content.
type Read struct {
	Client, Node string
	Page         *Page
	Query        string
	Jar          string // whose highest epoch it sent along: that of a client alone has its name
	Token        uint64 // Tiercache-Min-Epoch; 0: none
	Start, End   time.Time
	Applied      uint64 // by the node, at the start, at least
	Settled      uint64 // likewise, by the upstream's lag before the start
	Known        uint64 // likewise, at the end
	Alone        bool   // the node had started without control, and perhaps not found it yet
	Version      int
	Stamp        uint64
	CacheStatus  string // the last member
	Stale        bool   // it says so
	Disconnected bool   // likewise
}

// Loss is what a restore of the database took back.
type Loss struct {
	At time.Time
	// Took says whether a version that was committed at that moment is not there any more.
	Took func(page string, version int, committed time.Time) bool
}

// History is all that happened.
type History struct {
	Start   time.Time
	Strict  string                       // the service that is strict
	Commits map[string]map[int]time.Time // of each page's versions
	Writes  []*Write
	Terms   []*Write // the terms, and the purges of everything that came with some
	Reads   []*Read
	Losses  []Loss
	SetBack time.Duration // how much clocks were set back, in all
}

// since is a moment as reports write it.
func (h *History) since(at time.Time) time.Duration { return at.Sub(h.Start) }

// lossOf is what took a version back before a read began; nil: nothing.
func (h *History) lossOf(page string, version int, at, read time.Time) *Loss {
	for i, l := range h.Losses {
		if at.Before(l.At) && l.At.Before(read) && l.Took(page, version, at) {
			return &h.Losses[i]
		}
	}
	return nil
}
