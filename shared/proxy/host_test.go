package proxy_test

import "testing"

// RFC 3986, 3.2.2: a final dot only says that the name is whole, so it names the same host.
func TestServe_FinalDotOfHost(t *testing.T) {
	s := newSystem(t, cacheable("hello"))
	s.get("/a", "Host: Site.Example.:8080").expect(t, 200, "hello", "fwd=uri-miss")
	for _, host := range []string{"site.example", "site.example.", "SITE.example."} {
		s.get("/a", "Host: "+host).expect(t, 200, "hello", "hit")
	}
	for _, host := range []string{"site.example..", ".", "site..example."} {
		if r := s.get("/a", "Host: "+host); r.status != 400 {
			t.Errorf("%s: %d", host, r.status)
		}
	}
	s.do("POST", "/a", "Host: site.example.").expect(t, 200, "hello", "fwd=method")
	s.get("/a", "Host: site.example").expect(t, 200, "hello", "fwd=uri-miss")
}
