package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Errors of Set.Check. ErrMissing and ErrUnknown call for 401, ErrForbidden for 403.
var (
	ErrMissing   = errors.New("no bearer token: send `Authorization: Bearer tct_...`")
	ErrUnknown   = errors.New("unknown token")
	ErrForbidden = errors.New("the token lacks the role")

	// ErrFull says that a Set holds maxTokens already.
	ErrFull = errors.New("too many tokens")
)

const (
	// maxTokens bounds a Set, because each check looks at all of it.
	maxTokens = 1024

	// maxCredential bounds what is hashed for a request.
	maxCredential = 256
)

// Set holds the tokens that an API accepts, as hashes with their roles. The zero value is an empty
// set, which lets nobody in. It is safe for concurrent use.
type Set struct {
	mu struct {
		sync.RWMutex
		entries []entry
	}
}

type entry struct {
	sum   [sha256.Size]byte
	roles Role
}

// Add lets the holder of a token in with the given roles. It takes the token or its Hash; a token
// that is there already gets the new roles in place of its old ones. Errors: ErrMalformed, ErrFull.
func (s *Set) Add(tokenOrHash string, roles Role) error {
	sum, err := digest(tokenOrHash)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.mu.entries {
		if s.mu.entries[i].sum == sum {
			s.mu.entries[i].roles = roles
			return nil
		}
	}
	if len(s.mu.entries) >= maxTokens {
		return fmt.Errorf("%w: a set holds %d", ErrFull, maxTokens)
	}
	s.mu.entries = append(s.mu.entries, entry{sum: sum, roles: roles})
	return nil
}

// Len is the number of tokens in the set.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.mu.entries)
}

// Check decides whether the value of an Authorization field carries a token with every role in
// need: nil, ErrMissing, ErrUnknown or ErrForbidden. The scheme matches without case (RFC 9110,
// 11.1). How long it takes depends on the size of the set alone, not on the token or where it is.
func (s *Set) Check(authorization string, need Role) error {
	credential, ok := bearer(authorization)
	if !ok {
		return ErrMissing
	}
	sum := sha256.Sum256([]byte(credential))
	roles, known := s.find(&sum)
	switch {
	case !known:
		return ErrUnknown
	case !roles.Has(need):
		return fmt.Errorf("%w %s", ErrForbidden, need)
	}
	return nil
}

// find looks at every entry, so that its time does not tell which one matched.
func (s *Set) find(sum *[sha256.Size]byte) (Role, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var roles, found int
	for i := range s.mu.entries {
		e := &s.mu.entries[i]
		same := subtle.ConstantTimeCompare(e.sum[:], sum[:])
		roles = subtle.ConstantTimeSelect(same, int(e.roles), roles)
		found |= same
	}
	return Role(roles), found == 1
}

// bearer returns the credential of a Bearer Authorization field (RFC 6750, 2.1).
func bearer(authorization string) (string, bool) {
	scheme, credential, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	credential = strings.TrimSpace(credential)
	if credential == "" || len(credential) > maxCredential {
		return "", false
	}
	return credential, true
}
