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
	ErrForbidden = errors.New("the token may not do this")

	// ErrFull says that a Set holds maxTokens already.
	ErrFull = errors.New("too many tokens")
)

const (
	// maxTokens bounds a Set, because each check looks at all of it.
	maxTokens = 1024

	// maxCredential bounds what is hashed for a request.
	maxCredential = 256
)

// Set holds the tokens that an API accepts, as hashes with whom they were given to. The zero value is an
// empty set, which lets nobody in. It is safe for concurrent use.
//
// Some tokens come one by one, from files, and stay (Add); the others are replaced together whenever their
// list changes (Replace). Of a token that came both ways the first counts.
type Set struct {
	mu struct {
		sync.RWMutex
		added, replaced []entry
	}
}

type entry struct {
	sum    [sha256.Size]byte
	holder Holder
}

// Add lets the holder of a token in with the given roles, for all services. It takes the token or its
// Hash; a token that was added already gets the new roles in place of its old ones. Errors:
// ErrMalformed, ErrFull.
func (s *Set) Add(tokenOrHash string, roles Role) error {
	return s.AddHolder(tokenOrHash, Holder{Roles: roles})
}

// AddHolder is Add for a holder with a name or limits. Errors: ErrMalformed, ErrFull.
func (s *Set) AddHolder(tokenOrHash string, h Holder) error {
	sum, err := digest(tokenOrHash)
	if err != nil {
		return err
	}
	e := entry{sum: sum, holder: h.clone()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.mu.added {
		if s.mu.added[i].sum == sum {
			s.mu.added[i] = e
			return nil
		}
	}
	if len(s.mu.added) >= maxTokens {
		return fmt.Errorf("%w: a set holds %d", ErrFull, maxTokens)
	}
	s.mu.added = append(s.mu.added, e)
	return nil
}

// Len is the number of tokens in the set.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.mu.added) + len(s.mu.replaced)
}

// Check decides whether the value of an Authorization field carries a token with every role in need, for
// all services: nil, ErrMissing, ErrUnknown or ErrForbidden. The scheme matches without case (RFC 9110,
// 11.1). How long it takes depends on the size of the set alone, not on the token or where it is.
func (s *Set) Check(authorization string, need Role) error {
	h, err := s.Identify(authorization)
	if err != nil {
		return err
	}
	return h.May(need, "")
}

// Identify is whose token the value of an Authorization field carries; what they may do is for the caller
// to ask. Errors: ErrMissing, ErrUnknown.
func (s *Set) Identify(authorization string) (Holder, error) {
	credential, ok := bearer(authorization)
	if !ok {
		return Holder{}, ErrMissing
	}
	sum := sha256.Sum256([]byte(credential))
	s.mu.RLock()
	defer s.mu.RUnlock()
	first, second := find(s.mu.added, &sum), find(s.mu.replaced, &sum)
	switch {
	case first >= 0:
		return s.mu.added[first].holder, nil
	case second >= 0:
		return s.mu.replaced[second].holder, nil
	}
	return Holder{}, ErrUnknown
}

// find is where the entry of that digest is, -1 for nowhere. It looks at every entry, so that its time does
// not tell which one matched.
func find(entries []entry, sum *[sha256.Size]byte) int {
	at := -1
	for i := range entries {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(entries[i].sum[:], sum[:]), i, at)
	}
	return at
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
