package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tiercache/origin"
	"tiercache/shared/controllog"
)

// announce puts the purge of an address into the outbox, as part of the transaction that changes what the
// address holds: both are committed or neither is. It returns the id by which the log will know it. One
// scope is enough, whatever the object's tags: all that was ever made of the address carries it.
func announce(ctx context.Context, tx pgx.Tx, a origin.Address) (id string, err error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	body, err := json.Marshal(controllog.Purge{URLs: []controllog.URL{{Host: a.Host, Path: a.Path}}})
	if err != nil {
		return "", fmt.Errorf("encode the purge: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO tiercache.outbox (id, kind, body) VALUES ($1, 'purge', $2)`, u.String(), body); err != nil {
		return "", fmt.Errorf("announce the write: %w", err)
	}
	return u.String(), nil
}

// touches is a JSON document that the body of an outbox row contains if it purges a URL with that path, on
// whatever host.
func touches(path string) (string, error) {
	type url struct {
		Path string `json:"path"`
	}
	doc, err := json.Marshal(map[string][]url{"urls": {{Path: path}}})
	return string(doc), err
}
