package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// What the shop does with its database and behind the caches is tested by TestShop in loadtests/endtoend.

func TestShop_WithoutDatabase(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://shop@127.0.0.1:1/none?connect_timeout=2") // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	handler := newServer(&shop{db: pool}).Handler
	for _, path := range []string{"/", "/products/7", "/categories/2", "/search?q=hat", "/basket", "/nowhere"} {
		got := httptest.NewRecorder()
		handler.ServeHTTP(got, httptest.NewRequest(http.MethodGet, path, nil))
		if got.Code != http.StatusInternalServerError || got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("Surrogate-Key") != "" {
			t.Errorf("%s: %d %v", path, got.Code, got.Header())
		}
		if body := got.Body.String(); strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s tells of the inside: %s", path, body)
		}
	}
}

func TestRowID(t *testing.T) {
	for text, want := range map[string]int32{
		"7": 7, "2147483647": 2147483647, "0": 0, "-7": 0, "+7": 0, "007": 0, "2147483648": 0, "7a": 0, "": 0, " 7": 0,
	} {
		if id, ok := rowID(text); ok != (want > 0) || ok && id != want {
			t.Errorf("%q: %d %v", text, id, ok)
		}
	}
}

func TestBasket_CookieOfAVisitor(t *testing.T) {
	for cookie, want := range map[string][]int32{
		"": nil, "7": {7}, "7.3.7": {7, 3, 7}, "7..x.-1.3": {7, 3}, strings.Repeat("7.", 60): slices.Repeat([]int32{7}, basketSize),
	} {
		r := httptest.NewRequest(http.MethodGet, "/basket", nil)
		r.AddCookie(&http.Cookie{Name: basketCookie, Value: cookie})
		if got := basketOf(r); !slices.Equal(got, want) {
			t.Errorf("%q: %v", cookie, got)
		}
	}
}

func TestBasket_Add(t *testing.T) {
	handler := newServer(&shop{}).Handler
	for body, want := range map[string]struct {
		status int
		cookie string
	}{
		"product=7": {http.StatusSeeOther, "basket=3.7;"}, "product=x": {http.StatusBadRequest, ""}, "": {http.StatusBadRequest, ""},
		"product=" + strings.Repeat("7", 2000): {http.StatusBadRequest, ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "/basket", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: basketCookie, Value: "3"})
		got := httptest.NewRecorder()
		handler.ServeHTTP(got, r)
		if got.Code != want.status || !strings.HasPrefix(got.Header().Get("Set-Cookie"), want.cookie) || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%.20q: %d %v", body, got.Code, got.Header())
		}
	}
}

func TestPages_EscapeWhatTheyShow(t *testing.T) {
	const nasty = `<script>alert("x")</script>`
	for _, frame := range []layout{
		{Template: "home", Title: nasty, Categories: []category{{1, nasty}}, Content: []product{{Name: nasty}}},
		{Template: "product", Content: &product{Name: nasty, Description: nasty, CategoryName: nasty, Price: "1.00"}},
		{Template: "search", Content: result{Query: nasty, Products: []product{{Name: nasty}}}},
		{Template: "notfound"},
	} {
		var out strings.Builder
		if err := pages.ExecuteTemplate(&out, "layout", frame); err != nil || strings.Contains(out.String(), "<script>") || !strings.Contains(out.String(), "</html>") {
			t.Errorf("%s: %v\n%s", frame.Template, err, out.String())
		}
	}
}
