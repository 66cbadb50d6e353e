package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Join makes a node a member, or registers it anew with what it says of itself now. The times are the
// database's.
func (s *Store) Join(ctx context.Context, m Member) error {
	if m.Node == "" {
		return fmt.Errorf("%w: a member has a name", ErrInvalid)
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO tiercache.members (node, tier, region, addr, registered_at, seen_at, applied)
			VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp(), $5)
			ON CONFLICT (node) DO UPDATE SET tier = excluded.tier, region = excluded.region, addr = excluded.addr,
				registered_at = excluded.registered_at, seen_at = excluded.seen_at, applied = excluded.applied, state = excluded.state`,
			m.Node, m.Tier, m.Region, m.Addr, int64(m.Applied))
		return err
	})
}

// Leave removes a member; one that is not there is no error.
func (s *Store) Leave(ctx context.Context, node string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM tiercache.members WHERE node = $1`, node)
		return err
	})
}

// SetMemberState sets the state of a member. Errors: ErrNotFound, ErrInvalid.
func (s *Store) SetMemberState(ctx context.Context, node, state string) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE tiercache.members SET state = $2 WHERE node = $1`, node, state)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Members lists the members by name.
func (s *Store) Members(ctx context.Context) ([]Member, error) {
	return many(ctx, s, func(row pgx.CollectableRow) (m Member, err error) {
		var applied int64
		err = row.Scan(&m.Node, &m.Tier, &m.Region, &m.Addr, &m.Registered, &m.Seen, &applied, &m.State)
		m.Applied = uint64(applied)
		return m, err
	}, `SELECT node, tier, region, addr, registered_at, seen_at, applied, state FROM tiercache.members ORDER BY node`)
}

// SaveApplied keeps what members have reported and that they were heard of. Nodes that are not members are
// left out, and an epoch never goes back.
func (s *Store) SaveApplied(ctx context.Context, applied map[string]uint64) error {
	if len(applied) == 0 {
		return nil
	}
	nodes := slices.Sorted(maps.Keys(applied))
	epochs := make([]int64, len(nodes))
	for i, node := range nodes {
		epochs[i] = int64(applied[node])
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Locked in one order, or two control nodes could wait for each other.
		if _, err := tx.Exec(ctx, `SELECT FROM tiercache.members WHERE node = ANY ($1) ORDER BY node FOR UPDATE`, nodes); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE tiercache.members m SET applied = greatest(m.applied, r.applied), seen_at = clock_timestamp()
			FROM unnest($1::text[], $2::bigint[]) AS r (node, applied) WHERE m.node = r.node`, nodes, epochs)
		return err
	})
}

// DropMembers removes the members that were not heard of for a time, and returns their names.
func (s *Store) DropMembers(ctx context.Context, olderThan time.Duration) (nodes []string, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM tiercache.members WHERE seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING node`, olderThan.Seconds())
		if err != nil {
			return err
		}
		nodes, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return nodes, err
}
