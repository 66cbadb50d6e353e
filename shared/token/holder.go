package token

import (
	"fmt"
	"slices"
)

// Holder is whom a token was given to, and what for.
type Holder struct {
	Name  string // for people: activity logs show it
	Roles Role
	// Services are the only services that the token is for; empty: all, and what belongs to none.
	Services []string
}

// May reports whether the holder has every role in need for a service, or, when service is empty, for all
// of them. Errors: ErrForbidden, with what is missing.
func (h *Holder) May(need Role, service string) error {
	switch {
	case !h.Roles.Has(need):
		return fmt.Errorf("%w %s", ErrForbidden, need)
	case !h.Reaches(service):
		return fmt.Errorf("%w: it is limited to some services", ErrForbidden)
	}
	return nil
}

// Reaches reports whether the token is for the service, or, when service is empty, for all of them.
func (h *Holder) Reaches(service string) bool {
	return len(h.Services) == 0 || service != "" && slices.Contains(h.Services, service)
}

// clone is a copy that shares nothing with its source.
func (h Holder) clone() Holder {
	h.Services = slices.Clone(h.Services)
	return h
}
