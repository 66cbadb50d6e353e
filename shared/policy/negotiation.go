package policy

import (
	"fmt"
	"slices"
	"strings"
)

const maxLanguages = 32

// codings are those that Compress may list: those of shared/encoding, which a package that only decides does not import.
// TestCodings_AreThoseThatBodiesCanHave keeps them equal.
func codings() []string { return []string{"zstd", "br", "gzip"} }

// validateNegotiation checks what is said of the fields that clients negotiate by.
func (s *Service) validateNegotiation() *FieldError {
	for i, coding := range s.Compress {
		at := fmt.Sprintf("compress[%d]", i)
		switch {
		case !slices.Contains(codings(), coding):
			return &FieldError{at, fmt.Sprintf("%q: use %s", coding, strings.Join(codings(), ", "))}
		case slices.Contains(s.Compress[:i], coding):
			return &FieldError{at, fmt.Sprintf("%q is listed twice", coding)}
		}
	}
	if len(s.Languages) > maxLanguages {
		return &FieldError{"languages", fmt.Sprintf("%d languages: at most %d", len(s.Languages), maxLanguages)}
	}
	for i, language := range s.Languages {
		at := fmt.Sprintf("languages[%d]", i)
		switch {
		case !validLanguage(language):
			return &FieldError{at, fmt.Sprintf("%q: use a language tag such as de or en-GB", language)}
		case slices.ContainsFunc(s.Languages[:i], func(other string) bool { return strings.EqualFold(other, language) }):
			return &FieldError{at, fmt.Sprintf("%q is listed twice", language)}
		}
	}
	return nil
}

// validLanguage reports whether tag has the form of a language tag: subtags of 1 to 8 letters and digits, the first
// of letters alone (RFC 5646, 2.1).
func validLanguage(tag string) bool {
	for i, part := range strings.Split(tag, "-") {
		if len(part) < 1 || len(part) > 8 {
			return false
		}
		for _, c := range part {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}
