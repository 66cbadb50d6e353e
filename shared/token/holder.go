package token

import (
	"fmt"
	"slices"
	"strings"
)

// Holder is whom a token was given to, and what for.
type Holder struct {
	ID    string // of the token; empty where nobody asks for it
	Name  string // for people: activity logs show it, and two tokens may have the same
	Roles Role
	// Services are the only services that the token is for; empty: all, and what belongs to none.
	Services []string
}

// May reports whether the holder has every role in need for a service, or, when service is empty, for all
// of them. Errors: ErrForbidden, with what the token is for and what is asked.
func (h *Holder) May(need Role, service string) error {
	switch {
	case !h.Roles.Has(need):
		return h.Lacks(need.String())
	case h.Reaches(service):
		return nil
	case service == "":
		return h.IsLimited("this is not about one service")
	}
	return h.IsLimited(fmt.Sprintf("this is about service %.80q", service))
}

// Lacks says that the holder would need what is named. It is an ErrForbidden.
func (h *Holder) Lacks(roles string) error {
	return fmt.Errorf("%w: it has the role %s, and this needs %s", ErrForbidden, h.Roles, roles)
}

// IsLimited says that the holder's services are not what is asked for, as but says. It is an ErrForbidden.
func (h *Holder) IsLimited(but string) error {
	return fmt.Errorf("%w: it is limited to service %s, and %s", ErrForbidden, strings.Join(h.Services, ", "), but)
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
