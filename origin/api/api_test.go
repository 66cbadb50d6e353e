package api

import (
	"net/url"
	"strings"
	"testing"
)

func TestEscapePath(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b.html":             "/a/b.html",
		"/-._~!$&'()*+,;=:@":    "/-._~!$&'()*+,;=:@",
		"/a b#c?d%e":            "/a%20b%23c%3Fd%25e",
		"/%41":                  "/%2541",
		"/é\xff\n\"<>[]\\^`{|}": "/%C3%A9%FF%0A%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D",
	} {
		if got := EscapePath(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestRepairPath_KeepsWhatIsEscapedAlready(t *testing.T) {
	for in, want := range map[string]string{"/%41 %4g%": "/%41%20%254g%25", "/%e4%B8": "/%e4%B8"} {
		if got := RepairPath(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Whatever the name, a URL parser finds it again in the escaped path, and sends the path as it is.
func FuzzEscapePath(f *testing.F) {
	f.Add("/a b/%/é?#")
	f.Add("//x\x00")
	f.Fuzz(func(t *testing.T, name string) {
		escaped := EscapePath(name)
		if back, err := url.PathUnescape(escaped); err != nil || back != name {
			t.Errorf("%q became %q, read as %q, %v", name, escaped, back, err)
		}
		if RepairPath(escaped) != escaped {
			t.Errorf("%q is not kept", escaped)
		}
		u, err := url.Parse("http://h/" + strings.TrimLeft(escaped, "/"))
		if err != nil || u.EscapedPath() != "/"+strings.TrimLeft(escaped, "/") {
			t.Errorf("%q is sent as %q, %v", escaped, u.EscapedPath(), err)
		}
	})
}
