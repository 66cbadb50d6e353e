package backup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tiercache/shared/schema"
)

// source is a server that is backed up.
type source struct {
	conn        *pgx.Conn
	bare        string   // its URL without password
	secrets     []string // the environment that has it
	system      uint64
	segmentSize int64
	major       string
	database    string
	role        string
	bytes       int64
	warnings    []string
}

func openSource(ctx context.Context, location string) (*source, error) {
	cfg, err := schema.ParseLocation(location)
	if err != nil {
		return nil, err
	}
	s := &source{database: cfg.ConnConfig.Database, role: cfg.ConnConfig.User}
	if s.bare, s.secrets, err = withoutPassword(location); err != nil {
		return nil, err
	}
	if s.conn, err = pgx.ConnectConfig(ctx, cfg.ConnConfig); err != nil {
		return nil, err
	}
	if err := s.look(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) close() { _ = s.conn.Close(context.Background()) } // it was read from

// look asks the server what it is, and whether it can be backed up.
func (s *source) look(ctx context.Context) error {
	var version, spaces int
	var mayCopy, archives bool
	var system int64
	err := s.conn.QueryRow(ctx, `SELECT c.system_identifier, pg_size_bytes(current_setting('wal_segment_size')), current_setting('server_version_num')::int / 10000,
		(SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database),
		(SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
		(SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
		current_setting('archive_mode') <> 'off' FROM pg_control_system() AS c`).
		Scan(&system, &s.segmentSize, &version, &s.bytes, &spaces, &mayCopy, &archives)
	if err != nil {
		return fmt.Errorf("ask the server what it is: %w", err)
	}
	s.system, s.major = uint64(system), strconv.Itoa(version)
	switch {
	case !mayCopy:
		return fmt.Errorf("%w: role %s may not: ALTER ROLE %s REPLICATION, and a line for it in pg_hba.conf (host replication ...)", ErrUnfit, s.role, pgx.Identifier{s.role}.Sanitize())
	case spaces > 0:
		return fmt.Errorf("%w: it has %d tablespaces of its own. Use pgBackRest: see docs/OPERATIONS.md", ErrUnfit, spaces)
	case version < 13:
		return fmt.Errorf("%w: PostgreSQL %d has no manifests; 13 is the oldest that has", ErrUnfit, version)
	}
	if !archives {
		s.warnings = append(s.warnings, "the server archives nothing (archive_mode is off): this backup can be restored as it is, and nothing that is committed after it")
	}
	return nil
}

// head notes where the log of the fleet ends now, and the server's time.
func (s *source) head(ctx context.Context, e *Entry) error {
	if err := s.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&e.Finished); err != nil {
		return err
	}
	e.Finished = e.Finished.UTC()
	err := s.conn.QueryRow(ctx, "SELECT epoch, at FROM tiercache.log ORDER BY epoch DESC LIMIT 1").Scan(&e.Head, &e.HeadTime)
	e.HeadTime = e.HeadTime.UTC()
	var known *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &known) && known.Code == undefinedTable:
		return nil
	case known != nil && known.Code == insufficientPrivilege:
		s.warnings = append(s.warnings, fmt.Sprintf("role %s may not read the control log, so the catalogue has no epoch: make backups as the role of control", s.role))
		return nil
	}
	return err
}

// withoutPassword splits a URL into one that may be seen by everybody on this machine, and the environment that has the
// password.
func withoutPassword(location string) (bare string, secrets []string, err error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", nil, schema.ErrLocation // err would repeat the password
	}
	password, given := u.User.Password()
	query := u.Query()
	if query.Has("password") {
		password, given = query.Get("password"), true
	}
	query.Del("password")
	query.Del("pooler") // ours, and unknown to PostgreSQL's programs
	u.RawQuery = query.Encode()
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	if given {
		secrets = []string{"PGPASSWORD=" + password}
	}
	return u.String(), secrets, nil
}
