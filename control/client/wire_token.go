package client

import "time"

// Token is a bearer token, without the secret.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	Services  []string  `json:"services,omitempty" doc:"Services that it is limited to; absent: all"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	CreatedBy string    `json:"created_by,omitempty"`
	Revoked   bool      `json:"revoked,omitempty"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`
}

// Tokens is the reply of GET /v1/tokens.
type Tokens struct {
	Tokens []Token `json:"tokens" doc:"The valid ones first, each kind newest first"`
	Next   string  `json:"next,omitempty" doc:"The value of after that lists on; absent at the end"`
}

// NewToken is the body of POST /v1/tokens.
type NewToken struct {
	Name     string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]*$" patternDescription:"letters, digits and . _ @ -, beginning with a letter or digit" doc:"For people: it is in the activity log"`
	Roles    []string `json:"roles" minItems:"1" maxItems:"4" enum:"read,write,purge,admin"`
	Services []string `json:"services,omitempty" maxItems:"64" doc:"Services that the token is limited to; absent: all"`
}

// CreatedToken is the reply of POST /v1/tokens.
type CreatedToken struct {
	Token
	Secret string `json:"secret" doc:"What the holder shows. It is not kept and cannot be shown again"`
	Epoch  uint64 `json:"epoch,omitempty" doc:"Of the entry in the control log: nodes that have applied it know the token"`
}

// RevokedToken is the reply of DELETE /v1/tokens/{id}.
type RevokedToken struct {
	ID string `json:"id"`
	// Changed is false when the token was revoked before.
	Changed bool   `json:"changed" doc:"False: the token was revoked before"`
	Epoch   uint64 `json:"epoch,omitempty" doc:"Of the entry in the control log: nodes that have applied it refuse the token"`
}
