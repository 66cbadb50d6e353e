package postgres

import (
	"encoding/json"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
)

// Poll is what the log has behind an epoch.
type Poll struct {
	// Head is the last epoch. The statement that found it left the outbox empty as of its own snapshot, unless More.
	Head uint64
	// More: there may be more in the outbox, which the next poll gives numbers to.
	More bool
	// Chain is the hash of the log through Head, 0 when that entry has none.
	Chain uint64
	// Rows are the entries behind the epoch, oldest first: all of them, or the first 10000 or 4 MiB.
	Rows []controllog.Row
	// Compacted: entries behind the epoch have been removed, so there are no Rows: Load.
	Compacted bool
}

// Loaded is the state of the log at one moment, all but the entries.
type Loaded struct {
	Head  uint64 // the last epoch
	Floor uint64 // entries up to here have been removed: whoever loads knows of no purge up to here
	// Services are the active documents, Tokens those that are not revoked, both as of Head and sorted by
	// name and id.
	Services []controllog.ServiceChange
	Tokens   []controllog.TokenChange
}

// Actor is who makes a change, for the activity log.
type Actor struct {
	Token string // the token's ID: names need not be unique
	Name  string // of the token
	From  string // the address
}

// NewPurge is a purge that was asked for.
type NewPurge struct {
	ID string // the purge's; entry i of Entries has ID/i in the log
	// Key makes a repeated request one purge: see AddPurge. Empty: none.
	Key     string
	By      Actor
	Request json.RawMessage // as it is shown again, and compared for Key
	Entries []controllog.Purge
}

// PurgeRecord is a purge as it stands in the database.
type PurgeRecord struct {
	ID      string
	Key     string
	By      Actor
	Request json.RawMessage
	Created time.Time
	Entries int // in the log
	// First and Last are the epochs of its entries, 0 until all have one. Another purge's may lie between.
	First, Last uint64
	Receipt     json.RawMessage // what FinishPurge stored, or nil
	Finished    time.Time       // zero until then
}

// Member is a node that has joined.
type Member struct {
	Node, Tier, Region, Addr string
	Instance                 string    // of the process: each start has its own
	Registered, Seen         time.Time // by PostgreSQL's clock
	Applied                  uint64    // as last saved
	State                    string    // MemberServing or MemberLeaving
}

// Renewal is what a member has reported: the registration of that time is meant, and no other of that name.
type Renewal struct {
	Node       string
	Registered time.Time
	Applied    uint64
}

// SavedRenewal is what became of a Renewal.
type SavedRenewal struct {
	Before, Seen time.Time // Member.Seen, before it was saved and since
}

// The states of members.
const (
	MemberServing = "serving"
	MemberLeaving = "leaving" // told to drain
)

// ServiceRecord is a version of a service document.
type ServiceRecord struct {
	Name      string
	Version   int // from 1, per service
	Source    []byte
	Document  *policy.Service
	CreatedAt time.Time
	CreatedBy string
	// ActiveVersion is the version of this service that nodes have or are about to get; 0: none.
	ActiveVersion int
	// Active: this version is it.
	Active      bool
	ActivatedAt time.Time // when it last was activated; zero if never
}

// TokenRecord is a token with its history.
type TokenRecord struct {
	controllog.TokenChange
	CreatedAt time.Time
	CreatedBy string
	RevokedAt time.Time // zero: never
	RevokedBy string
}

// TokenPlace is where a token stands in the list of all: of what Tokens sorts by.
type TokenPlace struct {
	Revoked   bool
	CreatedAt time.Time
	ID        string
}

// Place is where the token stands.
func (r *TokenRecord) Place() TokenPlace {
	return TokenPlace{Revoked: r.Revoked, CreatedAt: r.CreatedAt, ID: r.ID}
}

// Activity is a line of the record of who did what.
type Activity struct {
	ID      int64 // given by the database; newer is larger
	At      time.Time
	Who     string // the token's name
	From    string // the address
	Action  string // such as purge, service.activate, token.revoke
	Subject string // what it was done to, such as a service's name
	Detail  string
}
