package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Problem is an error that control answered with (RFC 9457).
type Problem struct {
	Status int       `json:"status"`
	Title  string    `json:"title"`
	Detail string    `json:"detail"`
	Errors []Mistake `json:"errors,omitempty"`
}

// Mistake is one thing that is wrong with a request.
type Mistake struct {
	Message string `json:"message"`
	// Location is the field, such as rules[1].ttl of a document or body.name of a JSON body.
	Location string `json:"location,omitempty"`
	// Line and Column say where it stands in a document, from 1; 0: not known.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
}

func (m Mistake) String() string {
	text := m.Message
	if m.Location != "" {
		text = m.Location + ": " + text
	}
	if m.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", m.Line, m.Column, text)
	}
	return text
}

func (p *Problem) Error() string {
	parts := []string{fmt.Sprintf("control answered %d %s", p.Status, p.Title)}
	if p.Detail != "" {
		parts = append(parts, p.Detail)
	}
	for _, m := range p.Errors {
		parts = append(parts, m.String())
	}
	return strings.Join(parts, ": ")
}

// problem turns a reply that is no success into an error.
func problem(resp *http.Response, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil {
		p = &Problem{} // not control, or something in between
	}
	p.Status = resp.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: give the token of this platform with --token, TIERCACHE_TOKEN or --data-dir: %w", ErrUnauthorized, p)
	case http.StatusForbidden:
		return fmt.Errorf("%w: use one that may: %w", ErrUnauthorized, p)
	}
	return p
}
