package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// shop answers requests from a database. It keeps nothing in memory: what it remembered, no purge would reach.
type shop struct {
	db *pgxpool.Pool
}

//go:embed pages.html
var pagesHTML string

var pages = template.Must(template.New("pages").Parse(pagesHTML))

// layout is what the frame around each page shows.
type layout struct {
	Title      string
	Template   string
	Categories []category
	Content    any
}

// shared answers with a page that is the same for everybody. Whoever asks, with whatever cookie, gets these bytes, so
// nothing of the request but its URL may get into them.
func (s *shop) shared(build func(context.Context, *http.Request, snapshot) (page, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		p, body, err := s.render(ctx, r, build)
		if err != nil {
			fail(w, r, err)
			return
		}
		header := w.Header()
		// Browsers ask each time, since no purge reaches them; they get a 304 while the page is the same.
		header.Set("Cache-Control", fmt.Sprintf("public, max-age=0, s-maxage=%d", int(cmp.Or(p.lifetime, long).Seconds())))
		header.Set("Surrogate-Key", strings.Join(append(p.tags, "categories"), " "))
		header.Set("Content-Type", "text/html; charset=utf-8")
		if p.status != 0 {
			w.WriteHeader(p.status)
			_, _ = w.Write(body) // a client that is gone
			return
		}
		header.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// render makes a page of one snapshot of the database: a transaction that commits meanwhile is in all of it or in
// nothing of it. The snapshot is taken after the request has come. That is what tiercache relies on: a change that is
// missing in it has an epoch above the one that the page is stamped with, and its purge finds the page too old, also
// when the page is stored after the purge.
func (s *shop) render(ctx context.Context, r *http.Request, build func(context.Context, *http.Request, snapshot) (page, error)) (p page, body []byte, err error) {
	once := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	frame := layout{}
	err = pgx.BeginTxFunc(ctx, s.db, once, func(tx pgx.Tx) (err error) {
		if frame.Categories, err = (snapshot{tx}).categories(ctx); err == nil {
			p, err = build(ctx, r, snapshot{tx})
		}
		return err
	})
	if err != nil {
		return page{}, nil, err
	}
	frame.Title, frame.Template, frame.Content = p.title, p.template, p.content
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, "layout", frame); err != nil {
		return page{}, nil, err
	}
	return p, out.Bytes(), nil
}

// fail says that the shop is in trouble, and that nobody should keep that.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody waits for it any more
	}
	slog.Error("page failed", "path", r.URL.Path, "error", err)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte("The shop has a problem. Please try again.\n"))
}
