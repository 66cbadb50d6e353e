package control

import (
	"encoding/json"

	"tiercache/control/client"
	"tiercache/shared/controllog"
)

// maxEventItems is how many things a purge may name to be shown in words.
const maxEventItems = 1000

// serviceEvent is the detail of a client.EventService.
type serviceEvent struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Removed bool   `json:"removed,omitempty"`
}

// tokenEvent is the detail of a client.EventToken: not its hash.
type tokenEvent struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Roles    string   `json:"roles"`
	Services []string `json:"services,omitempty"`
	Revoked  bool     `json:"revoked,omitempty"`
}

// eventOf is an entry of the log as clients see it. One that cannot be read purges everything, and is shown as
// a purge without detail.
func eventOf(r *controllog.Row) client.Event {
	e := client.Event{Type: client.EventPurge, Epoch: r.Epoch, Time: r.Time, ID: r.ID}
	switch r.Kind {
	case controllog.KindService.String():
		var s controllog.ServiceChange
		e.Type = client.EventService
		if json.Unmarshal(r.Body, &s) == nil {
			e.Detail = encode(serviceEvent{s.Name, s.Version, s.Document == nil})
		}
	case controllog.KindToken.String():
		var t controllog.TokenChange
		e.Type = client.EventToken
		if json.Unmarshal(r.Body, &t) == nil {
			e.Detail = encode(tokenEvent{t.ID, t.Name, t.Roles, t.Services, t.Revoked})
		}
	case controllog.KindTerm.String():
		var t controllog.TermChange
		e.Type = client.EventTerm
		if json.Unmarshal(r.Body, &t) == nil {
			e.Detail = encode(t)
		}
	default:
		var p controllog.Purge
		if json.Unmarshal(r.Body, &p) != nil {
			return e
		}
		e.Size = len(p.Tags) + len(p.URLs) + len(p.Prefixes) + len(p.Hosts) + len(p.Services)
		if p.All {
			e.Size++
		}
		if e.Size <= maxEventItems {
			e.Detail = encode(p)
		}
	}
	return e
}

// encode writes what always has a JSON form.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
