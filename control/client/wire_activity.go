package client

import "time"

// Activity is one thing that somebody did.
type Activity struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Who     string    `json:"who" doc:"Name of the token; seed: the settings of control"`
	From    string    `json:"from,omitempty" doc:"Address that it came from"`
	Action  string    `json:"action" doc:"Such as purge, service.put, service.activate, token.create, token.revoke"`
	Subject string    `json:"subject" doc:"What it was done to"`
	Detail  string    `json:"detail,omitempty"`
}

// Activities is the reply of GET /v1/activity, newest first.
type Activities struct {
	Activities []Activity `json:"activities"`
	Next       int64      `json:"next,omitempty" doc:"The value of before that lists on; absent at the end"`
}
