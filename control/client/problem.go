package client

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Problem is an error that control answered with (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("control answered %d %s", p.Status, p.Title)
	}
	return fmt.Sprintf("control answered %d %s: %s", p.Status, p.Title, p.Detail)
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
		return fmt.Errorf("%w: use a token with the role that is missing: %w", ErrUnauthorized, p)
	}
	return p
}
