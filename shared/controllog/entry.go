package controllog

import (
	"encoding/json"
	"fmt"
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// Kind is what an entry is about.
type Kind uint8

// The kinds of entries.
const (
	KindPurge   Kind = iota + 1 // Mode and Scopes
	KindService                 // a version of a service document was activated
	KindToken                   // a token was made, changed or revoked
	KindTerm                    // the number line jumped
)

// kindNames are the kinds as PostgreSQL stores them.
var kindNames = map[Kind]string{KindPurge: "purge", KindService: "service", KindToken: "token", KindTerm: "term"}

// String is the kind as PostgreSQL stores it.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return "invalid"
}

// Entry is one entry of the log.
type Entry struct {
	Epoch uint64
	Prev  uint64 // the epoch of the entry before; 0 for the very first
	// Chain is the hash of the log through this entry, PrevChain that through the one before; 0: not known.
	Chain, PrevChain uint64
	Time             time.Time // when it was sequenced, by PostgreSQL's clock, in ms
	ID               string    // of the write that made it
	Kind             Kind
	// Hint: the entry came without what follows, since it is large; it must be fetched.
	Hint bool

	Mode   invalidation.Mode // of a purge
	Scopes []object.Scope    // of a purge

	Service *ServiceChange // of KindService
	Token   *TokenChange   // of KindToken
	Term    *TermChange    // of KindTerm
}

// ServiceChange activates a version of a service document, or removes the service when Document is nil.
type ServiceChange struct {
	Name     string          `json:"name"`
	Version  int             `json:"version"`
	Document *policy.Service `json:"document,omitempty"`
}

// TokenChange makes or changes a token, or revokes it.
type TokenChange struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Hash     string   `json:"hash"`               // as token.Hash writes it
	Roles    string   `json:"roles"`              // as token.Role.String writes it
	Services []string `json:"services,omitempty"` // empty: all
	Revoked  bool     `json:"revoked,omitempty"`
}

// TermChange says why the number line jumped from Prev to Epoch, and what becomes of what was stored.
// Stamps between the two belong to a branch of the log that was lost: they are dead.
type TermChange struct {
	Reason string `json:"reason"`
	Purge  string `json:"purge,omitempty"` // "", "soft" or "hard": of everything
}

// Row is an entry as it stands in PostgreSQL.
type Row struct {
	Epoch, Prev      uint64
	Chain, PrevChain uint64 // as in Entry
	Time             time.Time
	ID               string
	Kind             string
	Body             []byte // JSON: Purge, ServiceChange, TokenChange or TermChange
}

// Entry makes the entry of a row: each node makes the same of the same row. A purge that cannot be read
// becomes a hard purge of everything, since some writer relies on it; err then says what is wrong with it, beside
// a usable entry. So does a term. For other kinds the entry is one that changes nothing.
func (r *Row) Entry() (e Entry, err error) {
	e = Entry{Epoch: r.Epoch, Prev: r.Prev, Chain: r.Chain, PrevChain: r.PrevChain, Time: r.Time, ID: r.ID}
	switch r.Kind {
	case "service":
		e.Kind = KindService
		e.Service, err = read[ServiceChange](r.Body)
	case "token":
		e.Kind = KindToken
		e.Token, err = read[TokenChange](r.Body)
	case "term":
		e.Kind = KindTerm
		if e.Term, err = read[TermChange](r.Body); err != nil {
			e.Term = &TermChange{Reason: "unreadable", Purge: invalidation.Hard.String()}
		}
	default:
		e.Kind = KindPurge
		e.Mode, e.Scopes, err = purgeOf(r)
		if err != nil {
			e.Mode, e.Scopes = invalidation.Hard, []object.Scope{invalidation.AllScope()}
		}
	}
	if err != nil {
		err = fmt.Errorf("entry %d: %w", r.Epoch, err)
	}
	return e, err
}

// read makes a change of JSON, or nothing with an error.
func read[T any](body []byte) (*T, error) {
	change := new(T)
	if err := json.Unmarshal(body, change); err != nil {
		return nil, err
	}
	return change, nil
}

func purgeOf(r *Row) (invalidation.Mode, []object.Scope, error) {
	if r.Kind != "purge" {
		return 0, nil, fmt.Errorf("unknown kind %q", r.Kind)
	}
	var p Purge
	if err := json.Unmarshal(r.Body, &p); err != nil {
		return 0, nil, err
	}
	return p.Scopes()
}
