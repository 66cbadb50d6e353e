package httpcache

import (
	"net/url"
	"slices"
	"testing"
)

// RFC 9111, 4.4: non-error responses to methods that are not safe.
func TestInvalidates(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		want   bool
	}{
		{"POST", 200, true}, {"PUT", 204, true}, {"DELETE", 303, true}, {"M-SEARCH", 200, true}, {"get", 200, true},
		{"POST", 400, false}, {"POST", 500, false}, {"POST", 103, false},
		{"GET", 200, false}, {"HEAD", 200, false}, {"OPTIONS", 200, false}, {"TRACE", 200, false},
	} {
		if got := Invalidates(c.method, c.status); got != c.want {
			t.Errorf("%s, %d: %v", c.method, c.status, got)
		}
	}
}

func TestInvalidatedTargets_AreOfTheSameOrigin(t *testing.T) {
	uri, err := url.Parse("http://shop.example:8080/a/b?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]string{
		"/c":                           "/c",
		"/c?d=e":                       "/c?d=e",
		"c":                            "/a/c",
		"../c":                         "/c",
		"?y=2":                         "/a/b?y=2",
		"":                             "/a/b?x=1",
		"#f":                           "/a/b?x=1",
		"/c%2Fd//e;f":                  "/c%2Fd//e;f",
		"http://shop.example:8080":     "/",
		"http://SHOP.example:8080/c":   "/c",
		"//shop.example:8080/c":        "/c",
		"//shop.example.:8080/c":       "/c",
		"//shop.example..:8080/c":      "",
		"http://shop.example:8080/c#f": "/c",
		"http://shop.example/c":        "",
		"https://shop.example:8080/c":  "",
		"http://other.example:8080/c":  "",
		"http://u@evil.example:8080/c": "",
		"//evil.example/c":             "",
		"mailto:a@shop.example":        "",
		"http://shop.example:8080/%zz": "",
		"http://[::1":                  "",
	} {
		var wanted []string
		if want != "" {
			wanted = []string{want, want}
		}
		h := Fields{{"Location", reference}, {"Content-Location", reference}}
		if got := InvalidatedTargets(uri, h); !slices.Equal(got, wanted) {
			t.Errorf("%q: %q, want %q", reference, got, wanted)
		}
	}
	if got := InvalidatedTargets(uri, Fields{{"Location", "/c"}, {"Location", "/d"}}); got != nil {
		t.Errorf("two lines: %q", got)
	}
}

// RFC 9110, 9.3.3.
func TestNamesTarget(t *testing.T) {
	uri, err := url.Parse("https://shop.example/a?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]bool{
		"/a?x=1": true, "https://shop.example:443/a?x=1": true, "": true, "/a": false, "/b?x=1": false, "//other/a?x=1": false,
	} {
		if got := NamesTarget(uri, Fields{{"Content-Location", reference}}); got != want {
			t.Errorf("%q: %v", reference, got)
		}
	}
	if NamesTarget(uri, Fields{}) {
		t.Error("without the field")
	}
}
