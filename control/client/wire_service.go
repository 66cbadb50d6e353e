package client

import "time"

// Service is one version of a service document.
type Service struct {
	Name      string    `json:"name"`
	Version   int       `json:"version" doc:"Numbered from 1 per service"`
	Active    bool      `json:"active" doc:"Whether the fleet follows this version"`
	Source    string    `json:"source,omitempty" doc:"The document as it was stored, YAML or JSON; absent in lists"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by" doc:"Name of the token; seed: the settings of control"`
	// ActivatedAt is when the version was activated last.
	ActivatedAt time.Time `json:"activated_at,omitzero" doc:"When it was activated last; absent if never"`
	// ActiveVersion is which version the fleet follows.
	ActiveVersion int      `json:"active_version,omitempty" doc:"Which version the fleet follows; absent if none"`
	Warnings      []string `json:"warnings,omitempty" doc:"Why the version cannot be activated as things stand"`
}

// Services is the reply of GET /v1/services and of GET /v1/services/{name}/versions, newest first.
type Services struct {
	Services []Service `json:"services"`
}

// Activation is the reply of POST /v1/services/{name}/versions/{n}/activate.
type Activation struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Changed is false when the version was active already.
	Changed bool      `json:"changed" doc:"False: the version was active already"`
	Epoch   uint64    `json:"epoch,omitempty" doc:"Of its entry in the control log; absent when nothing changed, or while it has none"`
	State   string    `json:"state" enum:"pending,complete"`
	Nodes   []Receipt `json:"nodes" doc:"Which nodes have applied it"`
}

// Validation is the reply of POST /v1/services/validate. A document that is not valid is answered with a
// Problem instead.
type Validation struct {
	Name     string   `json:"name"`
	Warnings []string `json:"warnings,omitempty" doc:"Why it cannot be activated as things stand"`
}

// ServiceDiff is the reply of GET /v1/services/{name}/diff.
type ServiceDiff struct {
	Name string `json:"name"`
	From int    `json:"from" doc:"A version; 0: no document"`
	To   int    `json:"to"`
	// Diff has one line for each line of the two documents, brought into one form: it begins with "-",
	// "+" or a space.
	Diff string `json:"diff" doc:"Lines of both documents, brought into one form, that begin with -, + or a space; empty: no difference"`
}
