package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How long the caches may keep a page. The purges renew it when something changes, so the long one is as long as one
// likes. The short one is for URLs that anybody can make up: they should not take up room for long.
const (
	long  = 24 * time.Hour
	short = time.Minute
)

// page is one answer: what it shows, and the tags of all that it shows.
//
// INVARIANT: whatever a page shows, the change of it purges one of its tags. That holds for what it does not show yet
// as well: a list has a tag that the insertion of a row purges.
type page struct {
	status   int
	lifetime time.Duration
	template string
	title    string
	tags     []string
	content  any
}

// routes has a page for each path. Every page shows the names of the categories, so every page has that tag.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.shared(home))
	mux.Handle("GET /categories/{id}", s.shared(categoryPage))
	mux.Handle("GET /products/{id}", s.shared(productPage))
	mux.Handle("GET /search", s.shared(search))
	mux.Handle("GET /", s.shared(func(context.Context, *http.Request, snapshot) (page, error) { return notFound(), nil }))
	mux.HandleFunc("GET /basket", s.showBasket)
	mux.HandleFunc("POST /basket", s.addToBasket)
	return mux
}

// home shows what is new. Its tag new:t is purged by each row that is new before or after a change.
func home(ctx context.Context, _ *http.Request, db snapshot) (page, error) {
	products, err := db.newProducts(ctx)
	return page{template: "home", title: "New in the shop", tags: []string{"new:t"}, content: products}, err
}

// categoryPage lists a category. Its tag is purged by each row that is in the category before or after a change, so
// one tag covers a list of any length, while a response may have 256.
func categoryPage(ctx context.Context, r *http.Request, db snapshot) (page, error) {
	id, ok := rowID(r.PathValue("id"))
	if !ok {
		return notFound(), nil
	}
	tag := "category:" + strconv.Itoa(int(id))
	name, found, err := db.category(ctx, id)
	if err != nil || !found {
		return notFound(tag), err
	}
	products, err := db.productsOf(ctx, id)
	return page{template: "category", title: name, tags: []string{tag}, content: products}, err
}

// productPage shows a product and how many are left. The stock is a table of its own, with a tag of its own, so that a
// sale renews this page and not the lists.
func productPage(ctx context.Context, r *http.Request, db snapshot) (page, error) {
	id, ok := rowID(r.PathValue("id"))
	if !ok {
		return notFound(), nil
	}
	tag := "product:" + strconv.Itoa(int(id))
	found, err := db.product(ctx, id)
	if err != nil || found == nil {
		return notFound(tag), err
	}
	return page{template: "product", title: found.Name, tags: []string{tag, "stock:" + strconv.Itoa(int(id))}, content: found}, nil
}

// result is what a search shows.
type result struct {
	Query    string
	Products []product
}

// search may show any product, so every change of one renews it.
func search(ctx context.Context, r *http.Request, db snapshot) (page, error) {
	query := strings.ReplaceAll(strings.ToValidUTF8(r.URL.Query().Get("q"), ""), "\x00", "")
	products, err := db.search(ctx, query)
	return page{lifetime: short, template: "search", title: "Search", tags: []string{"products"}, content: result{query, products}}, err
}

// notFound is kept too, for a short time. What is not there has the tag that it would have: an insertion purges it.
func notFound(tags ...string) page {
	return page{status: http.StatusNotFound, lifetime: short, template: "notfound", title: "Not found", tags: tags}
}

// rowID is an id as it is written in our links; any other spelling is another URL, and none of ours.
func rowID(text string) (int32, bool) {
	id, err := strconv.ParseInt(text, 10, 32)
	return int32(id), err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}
