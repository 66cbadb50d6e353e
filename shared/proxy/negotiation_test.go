package proxy_test

import (
	"fmt"
	"net/http"
	"testing"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

func byLanguage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Vary", "Accept-Language")
	fmt.Fprintf(w, "[%s]", r.Header.Get("Accept-Language"))
}

// What clients send is reduced to the languages of the site: for the key, and for the upstream, so that what is
// stored is what each of them would have got.
func TestLanguages_ReduceAcceptLanguage(t *testing.T) {
	s := newSystem(t, byLanguage, func(_ *proxy.Config, s *policy.Service) { s.Languages = []string{"en", "de"} })
	for _, c := range []struct{ accept, body, status string }{
		{"de-AT, de;q=0.9", "[de]", "fwd=uri-miss"},
		{"de", "[de]", "hit"},
		{"fr;q=0.5, de", "[de]", "hit"},
		{"en, de", "[en]", "fwd=vary-miss"},
		{"*", "[en]", "hit"},
		{"fr", "[]", "fwd=vary-miss"},
		{"it, es", "[]", "hit"},
	} {
		s.get("/a", "Accept-Language: "+c.accept).expect(t, 200, c.body, c.status)
	}
	s.get("/a").expect(t, 200, "[en]", "hit")
}

// RFC 9111, 4.1: values that mean the same select the same; others do not.
func TestVary_ValuesThatMeanTheSame(t *testing.T) {
	s := newSystem(t, byLanguage)
	s.get("/a", "Accept-Language: en, de;q=0.5").expect(t, 200, "[en, de;q=0.5]", "fwd=uri-miss")
	s.get("/a", "Accept-Language: DE;q=0.50,EN").expect(t, 200, "[en, de;q=0.5]", "hit")
	s.get("/a", "Accept-Language: en, de").expect(t, 200, "[en, de]", "fwd=vary-miss")
	s.get("/a", "Accept-Language: en").expect(t, 200, "[en]", "fwd=vary-miss")
	s.get("/a").expect(t, 200, "[]", "fwd=vary-miss")
}
