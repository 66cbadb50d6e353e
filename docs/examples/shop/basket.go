package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

const (
	basketCookie = "basket"
	// basketSize is how many pieces a basket takes: the cookie must stay small.
	basketSize = 50
)

// showBasket is one visitor's own page: private keeps it out of every shared cache, and no-store out of the browser's.
func (s *shop) showBasket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	_, body, err := s.render(ctx, r, func(ctx context.Context, r *http.Request, db snapshot) (page, error) {
		products, err := db.byID(ctx, basketOf(r))
		return page{template: "basket", title: "Your basket", content: products}, err
	})
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body) // a client that is gone
}

// addToBasket keeps the basket in a cookie. The form that leads here is on cached pages, so it has no token of a
// visitor; SameSite keeps other sites from using the cookie.
func (s *shop) addToBasket(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	id, ok := rowID(r.PostFormValue("product"))
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		http.Error(w, "no such product", http.StatusBadRequest)
		return
	}
	ids := append(basketOf(r), id)
	var text []string
	for _, id := range ids[max(0, len(ids)-basketSize):] {
		text = append(text, strconv.Itoa(int(id)))
	}
	http.SetCookie(w, &http.Cookie{Name: basketCookie, Value: strings.Join(text, "."), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/basket", http.StatusSeeOther)
}

// basketOf reads the cookie, which a visitor may have written: what is not an id counts for nothing.
func basketOf(r *http.Request) []int32 {
	cookie, err := r.Cookie(basketCookie)
	if err != nil {
		return nil
	}
	var ids []int32
	for part := range strings.SplitSeq(cookie.Value, ".") {
		if id, ok := rowID(part); ok && len(ids) < basketSize {
			ids = append(ids, id)
		}
	}
	return ids
}
