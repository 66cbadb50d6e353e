package holdings

import (
	"time"

	"tiercache/shared/object"
)

// Question is what control asks a node. It travels as JSON, as its answer does. One of its members is set.
type Question struct {
	Entries *EntriesQuestion `json:"entries,omitempty"`
	Count   *CountQuestion   `json:"count,omitempty"`
}

// EntriesQuestion asks for the next page of a walk through all entries.
type EntriesQuestion struct {
	// Walk is that of the page before; empty begins a walk. One that is not asked for again within WalkIdle is over.
	Walk string `json:"walk,omitempty"`
	// Limit is how many entries the page may have, at most MaxPage; 0: that many.
	Limit int `json:"limit,omitempty"`
	// Service leaves out those of other services; empty: none.
	Service string `json:"service,omitempty"`
}

// CountQuestion asks how many entries a purge would concern.
type CountQuestion struct {
	// Scopes are what the purge names, 16 bytes each, at most MaxCounted of them.
	Scopes []byte `json:"scopes,omitempty"`
	// All: it names everything.
	All bool `json:"all,omitempty"`
	// Micros is how long the node may take, in µs; a count that is not whole by then is an estimate.
	Micros int64 `json:"us"`
}

// Limits of questions and answers.
const (
	// MaxPage is how many entries a page has at most. It has fewer where they are large.
	MaxPage = 512
	// MaxCounted is how many scopes a count may have: what fits into one message.
	MaxCounted = 40_000
	// WalkIdle is how long a walk waits for the next question.
	WalkIdle = 30 * time.Second
	// MaxCountTime bounds a count.
	MaxCountTime = 30 * time.Second

	// pageBytes is about how large a page may get, as JSON: well below what a message may have.
	pageBytes = 512 << 10
	// pageTime is when a page ends that is not full.
	pageTime = 3 * time.Second
)

// Answer is what a node says. One of its members is set.
type Answer struct {
	Page  *Page  `json:"page,omitempty"`
	Count *Count `json:"count,omitempty"`
	// Problem says, in words, why the question is not answered.
	Problem string `json:"problem,omitempty"`
}

// Page is some of what a node holds.
type Page struct {
	// Walk is what to ask for the next page with; empty: this was the last.
	Walk string `json:"walk,omitempty"`
	// Number counts the pages of a walk from 1: where one is missing, its answer was lost.
	Number int `json:"number"`
	// Applied is the epoch through which the node had applied the control log when it began the page, or less.
	Applied uint64 `json:"applied"`
	// Live: the node held a lease then.
	Live    bool    `json:"live"`
	Entries []Entry `json:"entries"`
	// Unreadable are values in place of entries, in this page, that are none.
	Unreadable int `json:"unreadable,omitempty"`
}

// Entry is one entry, and what the node would do with it now.
type Entry struct {
	// Key is the key in the store, in hexadecimal.
	Key     string `json:"key"`
	Service string `json:"service"`
	Scheme  string `json:"scheme"`
	Host    string `json:"host"`
	Target  string `json:"target"`
	// Kind is that of the entry: response, variants or hit-for-miss.
	Kind string `json:"kind"`
	// Part: of the body there is a part alone.
	Part bool `json:"part,omitempty"`
	// Stamp is the epoch as of which it is known to be good.
	Stamp uint64 `json:"stamp"`
	// Scopes are what a purge may name to reach it, 16 bytes each.
	Scopes []byte `json:"scopes"`
	// Verdict is the node's own: live, stale or dead.
	Verdict string `json:"verdict"`
	// Withheld: it is of a strict service, and the node holds no lease, so it is not served.
	Withheld bool `json:"withheld,omitempty"`
	// Own: its service takes what it serves from the platform's own origin.
	Own    bool      `json:"own,omitempty"`
	Status int       `json:"status"`
	ETag   string    `json:"etag,omitempty"`
	Bytes  int64     `json:"bytes"`
	Stored time.Time `json:"stored"` // when the response arrived, or was last revalidated
}

// Count is what a purge would concern.
type Count struct {
	// Objects and Bytes are those of entries that a purge has not killed already, with head and body.
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Exact: all entries were looked at. Else both are estimates from Seen of Of values.
	Exact bool `json:"exact"`
	Seen  int  `json:"seen"`
	Of    int  `json:"of"`
	// ObjectsError and BytesError are how far off each may be, either way: with 95 % confidence it is not farther.
	ObjectsError int64 `json:"objects_error"`
	BytesError   int64 `json:"bytes_error"`
}

// pack puts scopes one behind the other.
func pack(scopes []object.Scope) []byte {
	b := make([]byte, 0, len(scopes)*len(object.Scope{}))
	for i := range scopes {
		b = append(b, scopes[i][:]...)
	}
	return b
}

// Unpack is the scopes of an entry or of a count; what is left over is dropped.
func Unpack(b []byte) []object.Scope {
	scopes := make([]object.Scope, 0, len(b)/len(object.Scope{}))
	for len(b) >= len(object.Scope{}) {
		scopes = append(scopes, object.Scope(b))
		b = b[len(object.Scope{}):]
	}
	return scopes
}

// NewCount is a question for what a purge of scopes would concern.
func NewCount(scopes []object.Scope, all bool, within time.Duration) Question {
	return Question{Count: &CountQuestion{Scopes: pack(scopes), All: all, Micros: within.Microseconds()}}
}
