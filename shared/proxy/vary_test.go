package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The fields that fasthttp keeps in places of their own, and those on several lines, must select alike
// for the request that led the fill and for those that follow.
func TestServe_VaryOnFieldsWithPlacesOfTheirOwn(t *testing.T) {
	for name, fields := range map[string][]string{
		"Cookie":          {"Cookie: a=1; b=2"},
		"User-Agent":      {"User-Agent: curl/8"},
		"Accept-Language": {"Accept-Language: de", "Accept-Language:  en ; q=0.5"},
		"Content-Type":    {"Content-Type: text/plain"},
		"Connection":      nil,
		"X-Absent":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Vary", name)
				fmt.Fprint(w, strings.Join(r.Header.Values(name), "|"))
			})
			first := s.get("/", fields...)
			first.expect(t, 200, first.body, "fwd=uri-miss")
			if n := s.fetched.Load(); n != 1 {
				t.Fatalf("%d fetches for one request", n)
			}
			s.get("/", fields...).expect(t, 200, first.body, "hit")
			if other := s.get("/", name+": another"); name != "Connection" && other.body == first.body {
				t.Errorf("a request with another %s got %q too", name, other.body)
			}
		})
	}
}
