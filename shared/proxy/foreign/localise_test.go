package foreign

import (
	"net/url"
	"testing"
)

func TestLocal(t *testing.T) {
	base, err := url.Parse("http://site.test:8086")
	if err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]string{
		"http://site.test:8086/dir/?a=b#c": "/dir/?a=b#c", "HTTP://Site.Test:8086/dir": "/dir", "http://site.test:8086": "/", "http://site.test:8086?a": "/?a",
		"http://site.test:80860/": "http://site.test:80860/", "http://site.test/": "http://site.test/", "https://site.test:8086/": "https://site.test:8086/",
		"http://site.test:8086//other.test/": "http://site.test:8086//other.test/", "http://site.test:8086@other.test/": "http://site.test:8086@other.test/",
		"/dir/": "/dir/", "": "",
	} {
		if got := local(reference, base); got != want {
			t.Errorf("%s: %s, want %s", reference, got, want)
		}
	}
}
