package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

func group(t *testing.T, service, name string) object.Scope {
	t.Helper()
	tag, err := invalidation.GroupTag("127.0.0.1", name)
	if err != nil {
		t.Fatal(err)
	}
	return invalidation.TagScope(service, tag)
}

// RFC 9875, 2: membership is by name, case-sensitive and within the origin; nothing cascades.
func TestGroups_APurgeReachesItsMembersAlone(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Cache-Groups", r.URL.Query().Get("groups"))
		fmt.Fprint(w, r.URL.Path)
	})
	pages := map[string]string{"/one": `"news"`, "/both": `"news", "Sport, and more"`, "/other": `"Sport, and more"`, "/case": `"News"`, "/none": `"news`}
	target := func(path string) string {
		return path + "?groups=" + strings.NewReplacer(" ", "%20", `"`, "%22").Replace(pages[path])
	}
	for _, c := range []struct {
		purged object.Scope
		gone   string
	}{
		{group(t, "site", "news"), "/both /one"},
		{group(t, "", "news"), "/both /one"},
		{group(t, "site", "Sport, and more"), "/both /other"},
		{group(t, "another", "news"), ""},
		{invalidation.TagScope("site", invalidation.AnyGroupTag("127.0.0.1")), "/both /case /one /other"},
		{invalidation.TagScope("site", invalidation.AnyGroupTag("other.example")), ""},
	} {
		for path := range pages {
			s.get(target(path))
			s.get(target(path)).expect(t, 200, path, "hit")
		}
		l.purge(invalidation.Hard, c.purged)
		var gone []string
		for _, path := range []string{"/both", "/case", "/none", "/one", "/other"} {
			if !strings.Contains(s.get(target(path)).header.Get("Cache-Status"), "hit") {
				gone = append(gone, path)
			}
		}
		if got := strings.Join(gone, " "); got != c.gone {
			t.Errorf("%q gone, want %q", got, c.gone)
		}
	}
}

func TestGroups_TooManyAreNotStored(t *testing.T) {
	s := newLogged(t, newLedger(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		var names []string
		for i := range map[string]int{"/32": 32, "/129": 129, "/128": 128}[r.URL.Path] {
			names = append(names, fmt.Sprintf(`"%032d"`, i))
		}
		if r.URL.Path == "/long" {
			names = []string{`"` + strings.Repeat("x", 257) + `"`}
		}
		if r.URL.Path == "/escaped" { // each byte becomes three in the tag
			names = []string{`"` + strings.Repeat(" ", 256) + `"`}
		}
		w.Header().Set("Cache-Groups", strings.Join(names, ", "))
		fmt.Fprint(w, "x")
	})
	for path, want := range map[string]string{
		"/32": "stored", "/128": "stored", "/escaped": "stored", "/129": "detail=too-many-tags", "/long": "detail=too-many-tags",
	} {
		s.get(path).expect(t, 200, "x", want)
	}
}

func TestGroups_AreForTheTiersAndNotForClients(t *testing.T) {
	edge, regional := newLedger(), newLedger()
	s := twoLoggedTiers(t, "secret", edge, regional, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Cache-Groups", `"news"`)
		w.Header().Set("Cache-Group-Invalidation", `"news"`) // of a GET: ignored (RFC 9875, 3)
		fmt.Fprint(w, "x")
	})
	for _, want := range []string{"stored", "hit", "hit"} {
		r := s.get("/")
		r.expect(t, 200, "x", want)
		for _, name := range []string{"Cache-Groups", "Cache-Group-Invalidation"} {
			if got := r.header.Get(name); got != "" {
				t.Errorf("%s reached the client: %s", name, got)
			}
		}
	}
	edge.purge(invalidation.Hard, group(t, "site", "news"))
	regional.purge(invalidation.Hard, group(t, "site", "news"))
	s.get("/").expect(t, 200, "x", "edge-1; fwd=uri-miss")
}

// What a 304 does not name is not forgotten by the tier that keeps no such fields.
func TestGroups_A304ThatNamesOnlySome(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Set("Cache-Groups", `"later"`)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Surrogate-Key", "t")
		w.Header().Set("Cache-Tag", "u")
		fmt.Fprint(w, "x")
	})
	for _, scope := range []object.Scope{tag("t"), tag("u"), group(t, "site", "later")} {
		s.get("/")
		s.get("/").expect(t, 200, "x", "fwd-status=304")
		l.purge(invalidation.Hard, scope)
		s.get("/").expect(t, 200, "x", "fwd=uri-miss; fwd-status=200")
	}
}
