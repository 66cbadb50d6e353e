package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
)

// PutService stores a document as the next version of its service. It is a draft: nothing changes until it
// is activated. Errors: ErrInvalid (with a *policy.FieldError if it is about the document), ErrUnavailable.
func (s *Store) PutService(ctx context.Context, name string, source []byte, doc *policy.Service, by Actor) (version int, err error) {
	return s.putService(ctx, nil, name, source, doc, by)
}

// PutServiceAfter is PutService on the condition that the newest version is latest, 0 when there is none;
// else ErrConflict.
func (s *Store) PutServiceAfter(ctx context.Context, latest int, name string, source []byte, doc *policy.Service, by Actor) (version int, err error) {
	return s.putService(ctx, &latest, name, source, doc, by)
}

func (s *Store) putService(ctx context.Context, after *int, name string, source []byte, doc *policy.Service, by Actor) (version int, err error) {
	if err := doc.Validate(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if doc.Name != name {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, &policy.FieldError{Path: "name", Reason: fmt.Sprintf("%q: this is the service %q", doc.Name, name)})
	}
	document, err := json.Marshal(doc)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	err = s.writePolicy(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var latest int
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM tiercache.services WHERE name = $1`, name).Scan(&latest); err != nil {
			return err
		}
		if after != nil && *after != latest {
			return fmt.Errorf("%w: the newest version is %d, not %d", ErrConflict, latest, *after)
		}
		version = latest + 1
		if _, err := tx.Exec(ctx, `INSERT INTO tiercache.services (name, version, source, document, created_by) VALUES ($1, $2, $3, $4, $5)`,
			name, version, append([]byte{}, source...), string(document), by.Name); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "service.put", name, "version "+strconv.Itoa(version))
	})
	if err != nil {
		return 0, fmt.Errorf("store service %s: %w", name, err)
	}
	return version, nil
}

// policyLock is the advisory lock of whoever changes services or tokens: "tiercpol" in ASCII.
const policyLock = 0x7469657263706f6c

// writePolicy runs a change of services or tokens.
//
// INVARIANT: the lock is got before the transaction writes anything, so before it has a transaction id. Such
// transactions then have ascending ids in the order of their commits, which is the order that sequence()
// gives them epochs in: of two activations, the one that committed last is the one that all nodes end with.
func (s *Store) writePolicy(ctx context.Context, change func(ctx context.Context, tx pgx.Tx) error) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(policyLock)); err != nil {
			return err
		}
		return change(ctx, tx)
	})
}

// announce puts a change into the outbox and returns its id.
func announce(ctx context.Context, tx pgx.Tx, kind controllog.Kind, change any) (id string, err error) {
	body, err := json.Marshal(change)
	if err != nil {
		return "", err
	}
	id = uuid.Must(uuid.NewV7()).String()
	if _, err := tx.Exec(ctx, `INSERT INTO tiercache.outbox (id, kind, body) VALUES ($1, $2, $3)`, id, kind.String(), string(body)); err != nil {
		return "", fmt.Errorf("insert into the outbox: %w", err)
	}
	return id, nil
}

// ActivateService makes a version of a service, new or old, the one that nodes use. It returns the id of its
// entry, which Poll gives an epoch. Errors: ErrNotFound; ErrInvalid when the version does not go with the
// other active services, such as when it claims a host of theirs; ErrUnavailable.
func (s *Store) ActivateService(ctx context.Context, name string, version int, by Actor) (id string, err error) {
	err = s.writePolicy(ctx, func(ctx context.Context, tx pgx.Tx) error {
		change := controllog.ServiceChange{Name: name, Version: version}
		if err := tx.QueryRow(ctx, `UPDATE tiercache.services SET activated_at = clock_timestamp() WHERE name = $1 AND version = $2 RETURNING document`,
			name, version).Scan(&change.Document); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO tiercache.active AS a (name, version) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version`, name, version); err != nil {
			return err
		}
		if err := checkActive(ctx, tx); err != nil {
			return err
		}
		if id, err = announce(ctx, tx, controllog.KindService, change); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "service.activate", name, "version "+strconv.Itoa(version))
	})
	if err != nil {
		return "", fmt.Errorf("activate version %d of service %s: %w", version, name, err)
	}
	return id, nil
}

// checkActive refuses a set of active services that no node could use.
func checkActive(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT s.document FROM tiercache.active a JOIN tiercache.services s USING (name, version) ORDER BY name`)
	if err != nil {
		return err
	}
	documents, err := pgx.CollectRows(rows, pgx.RowTo[policy.Service])
	if err != nil {
		return err
	}
	if _, err := policy.NewSet(documents); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// RemoveService takes a service from the nodes; its versions stay, and one can be activated again. Errors:
// ErrNotFound when none is active, ErrUnavailable.
func (s *Store) RemoveService(ctx context.Context, name string, by Actor) (id string, err error) {
	err = s.writePolicy(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM tiercache.active WHERE name = $1`, name)
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return ErrNotFound
		}
		if id, err = announce(ctx, tx, controllog.KindService, controllog.ServiceChange{Name: name}); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "service.remove", name, "")
	})
	if err != nil {
		return "", fmt.Errorf("remove service %s: %w", name, err)
	}
	return id, nil
}

const selectServices = `SELECT s.name, s.version, s.source, s.document, s.created_at, s.created_by, s.activated_at, coalesce(a.version, 0)
	FROM tiercache.services s LEFT JOIN tiercache.active a ON a.name = s.name `

func scanService(row pgx.CollectableRow) (r ServiceRecord, err error) {
	var activated *time.Time
	err = row.Scan(&r.Name, &r.Version, &r.Source, &r.Document, &r.CreatedAt, &r.CreatedBy, &activated, &r.ActiveVersion)
	r.Active, r.ActivatedAt = r.ActiveVersion == r.Version, orZero(activated)
	return r, err
}

// Service is the newest version of a service. Errors: ErrNotFound, ErrUnavailable.
func (s *Store) Service(ctx context.Context, name string) (ServiceRecord, error) {
	return one(ctx, s, scanService, selectServices+`WHERE s.name = $1 ORDER BY s.version DESC LIMIT 1`, name)
}

// ServiceVersion is one version of a service. Errors: ErrNotFound, ErrUnavailable.
func (s *Store) ServiceVersion(ctx context.Context, name string, version int) (ServiceRecord, error) {
	return one(ctx, s, scanService, selectServices+`WHERE s.name = $1 AND s.version = $2`, name, version)
}

// ServiceVersions lists the newest 1000 versions of a service, the newest first. Errors: ErrNotFound when
// there is none, ErrUnavailable.
func (s *Store) ServiceVersions(ctx context.Context, name string) ([]ServiceRecord, error) {
	found, err := many(ctx, s, scanService, selectServices+`WHERE s.name = $1 ORDER BY s.version DESC LIMIT $2`, name, maxList)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	return found, err
}

// Services lists the newest version of each service, by name.
func (s *Store) Services(ctx context.Context) ([]ServiceRecord, error) {
	return many(ctx, s, scanService, selectServices+`WHERE s.version = (SELECT max(n.version) FROM tiercache.services n WHERE n.name = s.name) ORDER BY s.name`)
}
