package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// snapshot reads the tables as of one moment.
type snapshot struct {
	tx pgx.Tx
}

type category struct {
	ID   int32
	Name string
}

// product is a row of products, with what a page may show beside it. Prices stay text: they are shown, not reckoned
// with.
type product struct {
	ID           int32
	Name         string
	Price        string
	Description  string
	CategoryID   int32
	CategoryName string
	Left         int32 // pieces in stock; lists do not read it
}

func (s snapshot) categories(ctx context.Context) ([]category, error) {
	rows, err := s.tx.Query(ctx, `SELECT id, name FROM categories ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[category])
}

func (s snapshot) category(ctx context.Context, id int32) (name string, found bool, err error) {
	err = s.tx.QueryRow(ctx, `SELECT name FROM categories WHERE id = $1`, id).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	return name, err == nil, err
}

// product is nil when there is no such row.
func (s snapshot) product(ctx context.Context, id int32) (*product, error) {
	rows, err := s.tx.Query(ctx, `
		SELECT p.id, p.name, p.price::text, p.description, p.category_id, c.name, coalesce(s.pieces, 0)
		FROM products AS p JOIN categories AS c ON c.id = p.category_id LEFT JOIN stock AS s ON s.product_id = p.id
		WHERE p.id = $1`, id)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectOneRow(rows, pgx.RowToAddrOfStructByPos[product])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return found, err
}

func (s snapshot) newProducts(ctx context.Context) ([]product, error) {
	return s.list(ctx, `WHERE is_new ORDER BY id DESC LIMIT 6`)
}

func (s snapshot) productsOf(ctx context.Context, category int32) ([]product, error) {
	return s.list(ctx, `WHERE category_id = $1 ORDER BY name, id LIMIT 100`, category)
}

func (s snapshot) search(ctx context.Context, query string) ([]product, error) {
	return s.list(ctx, `WHERE strpos(lower(name), lower($1)) > 0 ORDER BY name, id LIMIT 100`, query)
}

func (s snapshot) byID(ctx context.Context, ids []int32) ([]product, error) {
	return s.list(ctx, `WHERE id = ANY ($1) ORDER BY name, id`, ids)
}

// list reads what lists show. which is SQL of this file's, never of a request.
func (s snapshot) list(ctx context.Context, which string, args ...any) ([]product, error) {
	rows, err := s.tx.Query(ctx, `SELECT id, name, price::text FROM products `+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p product, err error) {
		err = row.Scan(&p.ID, &p.Name, &p.Price)
		return p, err
	})
}
