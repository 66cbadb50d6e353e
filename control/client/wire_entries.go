package client

import "time"

// EntriesRequest is the body of POST /v1/fleet/{node}/entries.
type EntriesRequest struct {
	Walk    string `json:"walk,omitempty" maxLength:"64" doc:"That of the page before; absent: begins a walk. One that is not asked for again within 30 s is over"`
	Limit   int    `json:"limit,omitempty" minimum:"0" maximum:"512" doc:"At most so many entries; 512 if absent. A page has fewer where they are large"`
	Service string `json:"service,omitempty" maxLength:"64" doc:"Leaves out those of other services"`
}

// EntryPage is some of what a node holds.
type EntryPage struct {
	Walk       string  `json:"walk,omitempty" doc:"Asks for the next page; absent on the last one"`
	Number     int     `json:"number" doc:"Counts the pages of a walk from 1"`
	Applied    uint64  `json:"applied" doc:"Epoch through which the node had applied the control log when it began the page"`
	Live       bool    `json:"live" doc:"Whether it held a lease then"`
	Entries    []Entry `json:"entries"`
	Unreadable int     `json:"unreadable,omitempty" doc:"Values that should be entries and are none"`
}

// Verdicts of a node on an entry.
const (
	VerdictLive  = "live"  // no purge that the node knows of concerns it
	VerdictStale = "stale" // a soft purge does
	VerdictDead  = "dead"  // a hard purge does: it is as if it were not there
)

// KindResponse is the kind of entries that are responses.
const KindResponse = "response"

// Entry is one entry of a node's store, and what the node would do with it at that moment.
type Entry struct {
	Key      string    `json:"key" doc:"In the store, in hexadecimal"`
	Service  string    `json:"service"`
	Scheme   string    `json:"scheme"`
	Host     string    `json:"host"`
	Target   string    `json:"target" doc:"Path and query"`
	Kind     string    `json:"kind" enum:"response,variants,hit-for-miss"`
	Part     bool      `json:"part,omitempty" doc:"There is a part of the body alone"`
	Stamp    uint64    `json:"stamp" doc:"Epoch as of which it is known to be good"`
	Scopes   []byte    `json:"scopes" doc:"What a purge may name to reach it: hashes of 16 bytes each"`
	Verdict  string    `json:"verdict" enum:"live,stale,dead" doc:"By what the node has applied"`
	Withheld bool      `json:"withheld,omitempty" doc:"Its service is strict and the node holds no lease: it is not served"`
	Own      bool      `json:"own,omitempty" doc:"It comes from the platform's own origin"`
	Status   int       `json:"status"`
	ETag     string    `json:"etag,omitempty"`
	Bytes    int64     `json:"bytes" doc:"With its head"`
	Stored   time.Time `json:"stored" doc:"When it arrived, or was revalidated last"`
}
