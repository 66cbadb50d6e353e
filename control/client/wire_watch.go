package client

// NewWatch is the body of POST /v1/watches.
type NewWatch struct {
	Table     string   `json:"table" minLength:"1" maxLength:"300" doc:"As SQL has it: schema.table, quoted where names need it"`
	Templates []string `json:"templates" minItems:"1" maxItems:"16" doc:"Tags of a row: {column} stands for a value, {{ and }} for braces"`
	Service   string   `json:"service,omitempty" maxLength:"64" doc:"Whose tags are purged; absent: those of all services"`
}

// Watch is a table whose changes purge the tags of its rows.
type Watch struct {
	NewWatch
	CatchAll string `json:"catch_all" doc:"The tag that is purged for rows that give none: for responses that show any row of the table"`
	Problem  string `json:"problem,omitempty" doc:"What keeps the watch from seeing all changes, or from telling their tags"`
}

// Watches is the reply of GET /v1/watches.
type Watches struct {
	Watches []Watch `json:"watches"`
}
