package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// memberColumns are what scanMember reads.
const memberColumns = `node, tier, region, addr, instance, registered_at, seen_at, applied, state`

func scanMember(row pgx.CollectableRow) (m Member, err error) {
	var applied int64
	err = row.Scan(&m.Node, &m.Tier, &m.Region, &m.Addr, &m.Instance, &m.Registered, &m.Seen, &applied, &m.State)
	m.Applied = uint64(applied)
	return m, err
}

// Join makes a node's process a member. One that is the member already stays what it is, with what it says of itself
// now. When another process has the name, it takes the row of over: that process as it was last seen, or whenever it
// was seen if over.Seen is zero; nil: of nobody. The row as it stands then is returned: another Instance than that of m
// means that the name was not free. The times are the database's. Errors: ErrDeparted, ErrFull.
//
// INVARIANT: a row is taken only in the state in which the caller has seen it. Each sign of life of its process
// changes seen_at, and so does each new registration, by whichever control node.
//
// INVARIANT: a registration is new only where there was no row, or the row of another process. A message that comes
// again, or late, ends nothing that counts on the registration which it asked for.
//
// INVARIANT: whether the process has left is read by a statement that begins once the row is there. A Leave that
// removed a row before this one was written has committed by then; any other one finds this row.
func (s *Store) Join(ctx context.Context, m Member, over *Member) (row Member, err error) {
	if m.Node == "" {
		return row, fmt.Errorf("%w: a member has a name", ErrInvalid)
	}
	var process *string
	var seen *time.Time
	if over != nil {
		process = &over.Instance
		if !over.Seen.IsZero() {
			seen = &over.Seen
		}
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `INSERT INTO tiercache.members AS m (node, tier, region, addr, instance, registered_at, seen_at, applied)
			SELECT $1::text, $2::text, $3::text, $4::text, $5::text, clock_timestamp(), clock_timestamp(), $6::bigint
			WHERE $9::integer = 0 OR EXISTS (SELECT FROM tiercache.members WHERE node = $1)
				OR (SELECT count(*) FROM tiercache.members WHERE tier = $2) < $9
			ON CONFLICT (node) DO UPDATE SET tier = excluded.tier, region = excluded.region, addr = excluded.addr, instance = excluded.instance,
				registered_at = CASE WHEN m.instance = excluded.instance THEN m.registered_at ELSE clock_timestamp() END,
				seen_at = clock_timestamp(),
				applied = CASE WHEN m.instance = excluded.instance THEN greatest(m.applied, excluded.applied) ELSE excluded.applied END,
				state = CASE WHEN m.instance = excluded.instance THEN m.state ELSE excluded.state END
			WHERE m.instance = excluded.instance OR m.instance = $7 AND ($8::timestamptz IS NULL OR m.seen_at = $8)
			RETURNING `+memberColumns,
			m.Node, m.Tier, m.Region, m.Addr, m.Instance, int64(m.Applied), process, seen, s.cfg.MaxMembers)
		if err != nil {
			return err
		}
		row, err = pgx.CollectExactlyOneRow(rows, scanMember)
		if err == nil {
			return stillThere(ctx, tx, m.Instance)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		// A conflict has locked the row: it stays.
		rows, err = tx.Query(ctx, `SELECT `+memberColumns+` FROM tiercache.members WHERE node = $1`, m.Node)
		if err != nil {
			return err
		}
		if row, err = pgx.CollectExactlyOneRow(rows, scanMember); errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w: the fleet has %d members of the tier %s: remove those that are gone, or raise max_members of control",
				ErrFull, s.cfg.MaxMembers, m.Tier)
		}
		return err
	})
	return row, err
}

// stillThere is ErrDeparted for a process that has left.
func stillThere(ctx context.Context, tx pgx.Tx, instance string) error {
	var left bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tiercache.departed WHERE instance = $1)`, instance).Scan(&left)
	if err == nil && left {
		err = ErrDeparted
	}
	return err
}

// Leave removes the member that this process of the node is, and only the registration of that time unless
// registered is zero. One that is not there is no error. It leaves once: see Join.
func (s *Store) Leave(ctx context.Context, node, instance string, registered time.Time) error {
	var at *time.Time
	if !registered.IsZero() {
		at = &registered
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `WITH gone AS (
				DELETE FROM tiercache.members WHERE node = $1 AND instance = $2 AND ($3::timestamptz IS NULL OR registered_at = $3)
				RETURNING instance
			)
			INSERT INTO tiercache.departed (instance) SELECT instance FROM gone ON CONFLICT DO NOTHING`, node, instance, at)
		return err
	})
}

// ForgetDeparted removes what is known of processes that left longer ago, and of all but the last ones.
func (s *Store) ForgetDeparted(ctx context.Context, olderThan time.Duration, keep int) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM tiercache.departed WHERE at < clock_timestamp() - make_interval(secs => $1)
			OR instance IN (SELECT instance FROM tiercache.departed ORDER BY at DESC, instance OFFSET $2)`, olderThan.Seconds(), keep)
		return err
	})
}

// Remove removes a member that was not heard of since it was last read. Errors: ErrConflict when it was.
func (s *Store) Remove(ctx context.Context, m Member) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM tiercache.members WHERE node = $1 AND registered_at = $2 AND seen_at = $3`, m.Node, m.Registered, m.Seen)
		if err == nil && tag.RowsAffected() == 0 {
			err = fmt.Errorf("%w: %s was heard of meanwhile", ErrConflict, m.Node)
		}
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
	return many(ctx, s, scanMember, `SELECT `+memberColumns+` FROM tiercache.members ORDER BY node`)
}

// SaveRenewals keeps what members have reported and that they were heard of. Registrations that are no more are
// left out, and an epoch never goes back. It returns those that were there, by node.
func (s *Store) SaveRenewals(ctx context.Context, renewals []Renewal) (map[string]SavedRenewal, error) {
	if len(renewals) == 0 {
		return nil, nil
	}
	nodes, registered, epochs := make([]string, len(renewals)), make([]time.Time, len(renewals)), make([]int64, len(renewals))
	for i, r := range renewals {
		nodes[i], registered[i], epochs[i] = r.Node, r.Registered, int64(r.Applied)
	}
	saved := make(map[string]SavedRenewal, len(renewals))
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Locked in one order, or two control nodes could wait for each other.
		rows, err := tx.Query(ctx, `SELECT node, seen_at FROM tiercache.members WHERE node = ANY ($1) ORDER BY node FOR UPDATE`, nodes)
		if err != nil {
			return err
		}
		var node string
		var seen time.Time
		before := make(map[string]time.Time, len(renewals))
		if _, err := pgx.ForEachRow(rows, []any{&node, &seen}, func() error { before[node] = seen; return nil }); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `UPDATE tiercache.members m SET applied = greatest(m.applied, r.applied), seen_at = clock_timestamp()
			FROM unnest($1::text[], $2::timestamptz[], $3::bigint[]) AS r (node, registered, applied)
			WHERE m.node = r.node AND m.registered_at = r.registered RETURNING m.node, m.seen_at`, nodes, registered, epochs)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&node, &seen}, func() error {
			saved[node] = SavedRenewal{Before: before[node], Seen: seen}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

// DropMembers removes those of silent that were not heard of for a time, nor since they were read, and returns their
// names.
func (s *Store) DropMembers(ctx context.Context, olderThan time.Duration, silent []Member) (nodes []string, err error) {
	if len(silent) == 0 {
		return nil, nil
	}
	names, seen := make([]string, len(silent)), make([]time.Time, len(silent))
	for i, m := range silent {
		names[i], seen[i] = m.Node, m.Seen
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM tiercache.members m USING unnest($2::text[], $3::timestamptz[]) AS r (node, seen)
			WHERE m.node = r.node AND m.seen_at = r.seen AND m.seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING m.node`,
			olderThan.Seconds(), names, seen)
		if err != nil {
			return err
		}
		nodes, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return nodes, err
}
