package origin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"tiercache/origin/api"
)

// defaultPage is the limit of a listing that names none.
const defaultPage = 1000

// serveListing is GET /v1/objects/{host}?prefix=&after=&limit=. Prefix and after are paths in stored,
// percent-encoded form; the query encodes them once more.
func (o *Origin) serveListing(w *reply, r *http.Request, t target) {
	if err := o.admitAPI(r, http.MethodGet, http.MethodHead); err != nil {
		o.fail(w, r, err)
		return
	}
	q, err := listQuery(r, t.host)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	page, err := o.store.List(r.Context(), q)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, "application/json", api.Listing{Objects: describeAll(page.Objects), Next: page.Next})
}

func describeAll(objects []Object) []api.Object {
	docs := make([]api.Object, len(objects))
	for i := range objects {
		docs[i] = describe(&objects[i])
	}
	return docs
}

func listQuery(r *http.Request, host string) (Query, error) {
	host, err := CheckHost(host)
	if err != nil {
		return Query{}, refuse(http.StatusBadRequest, "%s", err)
	}
	q, err := queryOf(r, "prefix", "after", "limit")
	if err != nil {
		return Query{}, err
	}
	for _, name := range [...]string{"prefix", "after"} {
		if v := q.values.Get(name); v != "" {
			if v[0] != '/' || len(v) > maxPath || !isPrintable(v) {
				return Query{}, refuse(http.StatusBadRequest, "%s %q is not the start of a percent-encoded path", name, v)
			}
		}
	}
	limit, err := q.number("limit", defaultPage, 1, api.MaxPage)
	if err != nil {
		return Query{}, err
	}
	return Query{Host: host, Prefix: q.values.Get("prefix"), After: q.values.Get("after"), Limit: int(limit)}, nil
}

// isPrintable reports whether s is printable ASCII. Half an escape at the end of a prefix is fine.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// query is a request's query with known names only.
type query struct{ values url.Values }

// queryOf refuses unknown and repeated names: a misspelled one must not change what is answered.
func queryOf(r *http.Request, names ...string) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, refuse(http.StatusBadRequest, "the query is malformed: %s", err)
	}
	for name, v := range values {
		if !slices.Contains(names, name) {
			return query{}, refuse(http.StatusBadRequest, "unknown query parameter %q: there are %q. A question mark in an object's name is written %%3F", name, names)
		}
		if len(v) > 1 {
			return query{}, refuse(http.StatusBadRequest, "query parameter %q is there %d times", name, len(v))
		}
	}
	return query{values: values}, nil
}

func (q query) has(name string) bool { return q.values.Has(name) }

func (q query) number(name string, def, least, most int64) (int64, error) {
	if !q.has(name) {
		return def, nil
	}
	n, err := strconv.ParseInt(q.values.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, "%s %q is not a number from %d to %d", name, q.values.Get(name), least, most)
	}
	return n, nil
}
