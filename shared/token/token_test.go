package token

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerate_FormAndUniqueness(t *testing.T) {
	a, b := Generate(), Generate()
	if a == b {
		t.Error("two equal tokens")
	}
	if !strings.HasPrefix(a, "tct_") || len(a) != 4+43 {
		t.Errorf("got %q", a)
	}
}

func TestSet_Check(t *testing.T) {
	reader, writer, admin, hashed := Generate(), Generate(), Generate(), Generate()
	var s Set
	for token, roles := range map[string]Role{reader: Read, writer: Read | Write, admin: Admin, Hash(hashed): Purge} {
		if err := s.Add(token, roles); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		authorization string
		need          Role
		want          error
	}{
		"absent":               {"", Read, ErrMissing},
		"no scheme":            {reader, Read, ErrMissing},
		"other scheme":         {"Basic " + reader, Read, ErrMissing},
		"no credential":        {"Bearer  ", Read, ErrMissing},
		"too long":             {"Bearer " + strings.Repeat("a", 257), Read, ErrMissing},
		"unknown":              {"Bearer " + Generate(), Read, ErrUnknown},
		"prefix of a token":    {"Bearer " + reader[:20], Read, ErrUnknown},
		"the hash is no token": {"Bearer " + Hash(reader), Read, ErrUnknown},
		"has the role":         {"Bearer " + reader, Read, nil},
		"scheme without case":  {"bEaReR " + reader, Read, nil},
		"this needs write":     {"Bearer " + reader, Write, ErrForbidden},
		"has one of two":       {"Bearer " + reader, Read | Write, ErrForbidden},
		"has both":             {"Bearer " + writer, Read | Write, nil},
		"admin may all":        {"Bearer " + admin, Read | Write | Purge, nil},
		"purge is not admin":   {"Bearer " + hashed, Admin, ErrForbidden},
		"added by its hash":    {"Bearer " + hashed, Purge, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := s.Check(c.authorization, c.need)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), reader) {
				t.Error("the error repeats the token")
			}
		})
	}
}

func TestSet_EmptyLetsNobodyIn(t *testing.T) {
	var s Set
	if err := s.Check("Bearer "+Generate(), Read); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestSet_AddRefusesWhatIsNoToken(t *testing.T) {
	for _, bad := range []string{"", "secret", "tct_", "tct_short", Generate() + "x", "sha256:12", "sha256:" + strings.Repeat("z", 64)} {
		var s Set
		err := s.Add(bad, Read)
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %v", bad, err)
		}
		if s.Len() != 0 {
			t.Errorf("%q was added", bad)
		}
		if err != nil && len(bad) > 8 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats %q", bad)
		}
	}
}

func TestSet_AddAgainReplacesTheRoles(t *testing.T) {
	var s Set
	token := Generate()
	if err := errors.Join(s.Add(token, Admin), s.Add(Hash(token), Read)); err != nil {
		t.Fatal(err)
	}
	if err := s.Check("Bearer "+token, Write); !errors.Is(err, ErrForbidden) || s.Len() != 1 {
		t.Errorf("got %v with %d entries", err, s.Len())
	}
}

func TestSet_IsBounded(t *testing.T) {
	var s Set
	for range maxTokens {
		if err := s.Add(Generate(), Read); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(Generate(), Read); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestRole_TextIsReadBack(t *testing.T) {
	for r := Role(1); r <= All; r++ {
		back, err := ParseRole(r.String())
		if err != nil || back != r {
			t.Errorf("%d is written %q and read as %d, %v", r, r, back, err)
		}
	}
	if _, err := ParseRole("read,root"); err == nil {
		t.Error("no error for an unknown role")
	}
	if got := Role(0).String(); got != "none" {
		t.Errorf("got %q", got)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(" tct_abc \n")
	if got, err := ReadFile(path); got != "tct_abc" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", " \n", "secret\nsecret", strings.Repeat("secret", 1000)} {
		write(bad)
		_, err := ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("%.20q: got %v", bad, err)
		}
	}
	if _, err := ReadFile(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
