package client

import (
	"encoding/json"
	"time"
)

// Types of events. Those of entries of the control log have an epoch.
const (
	EventPurge   = "purge"
	EventService = "service" // a version of a service document was activated
	EventToken   = "token"   // a token was made or revoked
	EventTerm    = "term"    // the number line jumped
	EventMember  = "member"  // a node joined, was fenced, or left
	EventGap     = "gap"     // entries up to Epoch are not kept any more
	EventHead    = "head"    // what had happened when the client came is told, through Epoch
)

// Event is one message of GET /v1/events.
type Event struct {
	Type  string    `json:"type" enum:"purge,service,token,term,member,gap,head"`
	Epoch uint64    `json:"epoch,omitempty" doc:"Of the entry in the control log"`
	Time  time.Time `json:"time"`
	ID    string    `json:"id,omitempty" doc:"Of the write that made the entry, or of the purge"`
	// Detail is, by type, the purge in words, {name, version}, {id, name, roles, services, revoked},
	// {reason, purge}, or {node, tier, region, change}. That of a purge of more than 1000 things is left out.
	Detail json.RawMessage `json:"detail,omitempty"`
	// Size is how many things a purge names.
	Size int `json:"size,omitempty" doc:"How many things a purge names"`
}

// MemberChange is the Detail of an EventMember.
type MemberChange struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`
	Change string `json:"change" enum:"joined,fenced,back,left" doc:"back: no longer fenced"`
}
