package token

import (
	"errors"
	"fmt"
)

// Grant gives a token to a holder. Roles are as Role.String writes them.
type Grant struct {
	Hash     string // as Hash writes it
	ID       string // of the token
	Name     string
	Roles    string
	Services []string // empty: all
}

// Replace puts the given tokens in place of those of the call before; what was added stays. Grants that
// cannot be read, and those beyond the limit, let nobody in; the error tells of each, and the others take
// effect. Errors: ErrMalformed, ErrFull, or what is wrong with a role.
func (s *Set) Replace(grants []Grant) error {
	entries, errs := make([]entry, 0, len(grants)), []error(nil)
	for _, g := range grants {
		e, err := g.entry()
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("token %q: %w", g.Name, err))
		case len(entries) >= maxTokens:
			errs = append(errs, fmt.Errorf("token %q: %w: a set holds %d", g.Name, ErrFull, maxTokens))
		default:
			entries = append(entries, e)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.replaced = entries
	return errors.Join(errs...)
}

func (g *Grant) entry() (entry, error) {
	sum, err := digest(g.Hash)
	if err != nil {
		return entry{}, err
	}
	roles, err := ParseRole(g.Roles)
	if err != nil {
		return entry{}, err
	}
	h := Holder{ID: g.ID, Name: g.Name, Roles: roles, Services: g.Services}
	return entry{sum: sum, holder: h.clone()}, nil
}
