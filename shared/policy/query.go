package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// How much of a query counts.
const (
	QueryAll  = "all"  // as it is
	QueryNone = "none" // nothing
	QuerySort = "sort" // all, parameters in the order of their names
)

// Query is which part of a query counts: a mode, or the parameters that do or do not. Names are compared byte for byte
// as they are sent, and may have stars: "utm_*". In a document it is a word or a list: sort, {only: [id]}.
type Query struct {
	Mode   string   `yaml:"-" json:"-"`
	Only   []string `yaml:"only" json:"only,omitempty"`
	Except []string `yaml:"except" json:"except,omitempty"`
}

// rewrites reports whether a target may look different in the key. A nil Query does not.
func (q *Query) rewrites() bool { return q != nil && q.Mode != QueryAll }

// AppendTarget appends the target with what counts of its query. Parameters are what "&" separates; empty ones go.
func (q *Query) AppendTarget(dst []byte, target string) []byte {
	path, query, found := strings.Cut(target, "?")
	switch {
	case !q.rewrites() || !found:
		return append(dst, target...)
	case q.Mode == QueryNone:
		return append(dst, path...)
	case q.Mode == QuerySort:
		return appendSorted(append(dst, path...), query)
	}
	dst = append(dst, path...)
	separator := byte('?')
	for param, rest := nextParam(query); param != ""; param, rest = nextParam(rest) {
		if q.keeps(paramName(param)) {
			dst = append(append(dst, separator), param...)
			separator = '&'
		}
	}
	return dst
}

// appendSorted keeps the order of parameters that have one name: it may mean something.
func appendSorted(dst []byte, query string) []byte {
	var few [32]string // on the stack; more are rare
	params := few[:0]
	for param, rest := nextParam(query); param != ""; param, rest = nextParam(rest) {
		params = append(params, param)
	}
	slices.SortStableFunc(params, func(a, b string) int { return strings.Compare(paramName(a), paramName(b)) })
	separator := byte('?')
	for _, param := range params {
		dst = append(append(dst, separator), param...)
		separator = '&'
	}
	return dst
}

// nextParam is the first parameter of a query that is not empty, and what follows; "" at the end.
func nextParam(query string) (param, rest string) {
	for query != "" {
		param, query, _ = strings.Cut(query, "&")
		if param != "" {
			return param, query
		}
	}
	return "", ""
}

func paramName(param string) string {
	name, _, _ := strings.Cut(param, "=")
	return name
}

// keeps reports whether a parameter of that name counts.
func (q *Query) keeps(name string) bool {
	if len(q.Only) > 0 {
		return anyPattern(q.Only, name)
	}
	return !anyPattern(q.Except, name)
}

func anyPattern(patterns []string, s string) bool {
	for _, p := range patterns {
		if matchPattern(p, s) {
			return true
		}
	}
	return false
}

func (q *Query) validate() *FieldError {
	switch {
	case q.Mode != "" && (q.Only != nil || q.Except != nil):
		return &FieldError{"", fmt.Sprintf("%q and a list: use one of them", q.Mode)}
	case q.Mode != "":
		if err := q.setMode(q.Mode); err != nil {
			return &FieldError{"", err.Error()}
		}
	case q.Only != nil && q.Except != nil:
		return &FieldError{"", "only and except exclude each other: remove one"}
	case q.Only == nil && q.Except == nil:
		return &FieldError{"", errQuery.Error()}
	case q.Only != nil && len(q.Only) == 0:
		return &FieldError{"only", "is empty: for no parameter at all use query: none"}
	case q.Except != nil && len(q.Except) == 0:
		return &FieldError{"except", "is empty: for all parameters use query: all"}
	}
	if err := validateNames("only", q.Only, maxParams, validParam); err != nil {
		return err
	}
	return validateNames("except", q.Except, maxParams, validParam)
}

// errQuery says what a document may have for a Query.
var errQuery = errors.New("use all, none, sort, {only: [NAME, ...]} or {except: [NAME, ...]}")

func (q *Query) setMode(text string) error {
	switch text {
	case QueryAll, QueryNone, QuerySort:
		q.Mode = text
		return nil
	}
	return fmt.Errorf("%q: %w", text, errQuery)
}

// lists are the fields of a Query that is no word.
type lists Query

// UnmarshalText reads a Query that is a word.
func (q *Query) UnmarshalText(text []byte) error {
	*q = Query{}
	return q.setMode(string(text))
}

// MarshalText is the word of a Query that is one, else an error.
func (q *Query) MarshalText() ([]byte, error) {
	if q.Mode == "" {
		return nil, errors.New("the query is a list, not a word")
	}
	return []byte(q.Mode), nil
}

// UnmarshalYAML reads a Query of either form.
func (q *Query) UnmarshalYAML(decode func(any) error) error {
	var word string
	if decode(&word) == nil {
		return q.UnmarshalText([]byte(word))
	}
	var l lists
	if err := decode(&l); err != nil {
		return err
	}
	*q = Query(l)
	return nil
}

// UnmarshalJSON reads a Query of either form.
func (q *Query) UnmarshalJSON(b []byte) error {
	return q.UnmarshalYAML(func(into any) error { return json.Unmarshal(b, into) })
}

// MarshalJSON writes a Query in the form that it was read in.
func (q *Query) MarshalJSON() ([]byte, error) {
	if q.Mode != "" {
		return json.Marshal(q.Mode)
	}
	return json.Marshal((*lists)(q))
}
