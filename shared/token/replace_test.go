package token

import (
	"errors"
	"strings"
	"testing"
)

func bearerOf(token string) string { return "Bearer " + token }

func TestReplace_TakesTheOldOnesOutAndLeavesWhatWasAdded(t *testing.T) {
	var s Set
	file, first, second := Generate(), Generate(), Generate()
	if err := s.AddHolder(file, Holder{Name: "admin", Roles: All}); err != nil {
		t.Fatal(err)
	}
	replace := func(grants ...Grant) {
		t.Helper()
		if err := s.Replace(grants); err != nil {
			t.Fatal(err)
		}
	}
	replace(Grant{Hash: Hash(first), Name: "ci", Roles: "read,write"}, Grant{Hash: Hash(file), Name: "ci", Roles: "read"})
	if h, err := s.Identify(bearerOf(first)); err != nil || h.Name != "ci" || h.Roles != Read|Write {
		t.Errorf("the first: %+v, %v", h, err)
	}
	if err := s.Check(bearerOf(file), Admin); err != nil {
		t.Errorf("the added one lost its roles: %v", err)
	}
	replace(Grant{Hash: Hash(second), Name: "ci-2", Roles: "purge"})
	if err := s.Check(bearerOf(first), Read); !errors.Is(err, ErrUnknown) {
		t.Errorf("the first after it was taken out: %v", err)
	}
	if err := s.Check(bearerOf(second), Purge); err != nil {
		t.Errorf("the second: %v", err)
	}
	replace()
	if err := s.Check(bearerOf(second), Purge); !errors.Is(err, ErrUnknown) {
		t.Errorf("the second after it was taken out: %v", err)
	}
	if err := s.Check(bearerOf(file), Admin); err != nil || s.Len() != 1 {
		t.Errorf("the added one: %v, %d tokens", err, s.Len())
	}
}

func TestReplace_WhatCannotBeReadLetsNobodyInAndHoldsUpNobody(t *testing.T) {
	var s Set
	good, bad := Generate(), Generate()
	err := s.Replace([]Grant{
		{Hash: Hash(bad), Name: "role", Roles: "read,root"},
		{Hash: "sha256:12", Name: "hash", Roles: "read"},
		{Hash: Hash(good), Name: "good", Roles: "read"},
	})
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), `"role"`) || !strings.Contains(err.Error(), `"hash"`) {
		t.Errorf("got %v", err)
	}
	if err := s.Check(bearerOf(good), Read); err != nil || s.Len() != 1 {
		t.Errorf("the good one: %v, %d tokens", err, s.Len())
	}
	grants := make([]Grant, maxTokens+1)
	for i := range grants {
		grants[i] = Grant{Hash: Hash(Generate()), Roles: "read"}
	}
	if err := s.Replace(grants); !errors.Is(err, ErrFull) || s.Len() != maxTokens {
		t.Errorf("too many: %v, %d tokens", err, s.Len())
	}
}

func TestHolder_ServicesLimitATokenToThem(t *testing.T) {
	var s Set
	secret := Generate()
	services := []string{"shop", "blog"}
	if err := s.Replace([]Grant{{Hash: Hash(secret), Name: "shop", Roles: "purge", Services: services}}); err != nil {
		t.Fatal(err)
	}
	services[0] = "bank" // the set keeps its own
	h, err := s.Identify(bearerOf(secret))
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]error{"shop": nil, "blog": nil, "bank": ErrForbidden, "": ErrForbidden} {
		if err := h.May(Purge, service); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", service, err, want)
		}
	}
	for want, err := range map[string]error{
		"it has the role purge, and this needs write":                             h.May(Write, "shop"),
		"it is limited to service shop, blog, and this is about service \"bank\"": h.May(Purge, "bank"),
		"it is limited to service shop, blog, and this is not about one service":  s.Check(bearerOf(secret), Purge),
	} {
		if !errors.Is(err, ErrForbidden) || err.Error() != "the token may not do this: "+want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
