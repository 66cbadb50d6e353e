package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestService_Invalidate(t *testing.T) {
	for value, fleet := range map[string]bool{"": false, InvalidateLocal: false, InvalidateFleet: true} {
		s := service("a", "*")
		s.Invalidate = value
		if err := s.Validate(); err != nil || s.InvalidatesFleet() != fleet {
			t.Errorf("%q: %v, %v", value, s.InvalidatesFleet(), err)
		}
		if base := service("a", "*"); s.Fingerprint() != base.Fingerprint() {
			t.Errorf("%q empties the cache for nothing", value)
		}
	}
	s := service("a", "*")
	s.Invalidate = "Fleet"
	if err := s.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "invalidate") {
		t.Error(err)
	}
}
