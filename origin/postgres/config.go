package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/schema"
)

// Config of a Store. Zero durations and counts mean the defaults.
type Config struct {
	// URL is a PostgreSQL connection URL or keyword string. The user must be allowed to create the
	// schema origin or own it.
	URL string

	// MaxConns bounds the connections of this process. Default 16.
	MaxConns int

	// KeepVersions is how many versions of an address are kept, the current one included; a lower
	// number takes effect at the address' next write. Default 10.
	KeepVersions int

	// KeepAge is how long a version is kept after it was replaced or deleted. Default 168h.
	KeepAge time.Duration

	// ReadGrace is how long a body outlives its last version, for readers that are still at it.
	// Default 10m; less cuts slow readers.
	ReadGrace time.Duration

	// UploadLease is how long an upload may take for one chunk before clean-up takes it for
	// abandoned. Default 10m; keep it above the listener's own limit on slow uploads.
	UploadLease time.Duration

	// CleanInterval is the pause between two clean-ups. Default 1m.
	CleanInterval time.Duration
}

// Limits on what a call may take.
const (
	readTimeout    = 2 * time.Second // a lookup or a chunk, connecting included
	writeTimeout   = 5 * time.Second // the transaction of a write, or the staging of a chunk
	connectTimeout = 2 * time.Second
	cleanTimeout   = time.Minute
	migrateTimeout = 5 * time.Minute
)

func (c Config) withDefaults() Config {
	setDefault(&c.MaxConns, 16)
	setDefault(&c.KeepVersions, 10)
	setDefault(&c.KeepAge, 168*time.Hour)
	setDefault(&c.ReadGrace, 10*time.Minute)
	setDefault(&c.UploadLease, 10*time.Minute)
	setDefault(&c.CleanInterval, time.Minute)
	return c
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Validate reports the first setting that cannot work. It does not connect.
func (c Config) Validate() error {
	if c.URL == "" {
		return errors.New("postgres_url is empty: give the URL of a PostgreSQL database, such as postgres://user@127.0.0.1:5432/tiercache")
	}
	if c.KeepVersions < 0 || c.MaxConns < 0 || c.KeepAge < 0 || c.ReadGrace < 0 || c.UploadLease < 0 || c.CleanInterval < 0 {
		return errors.New("a limit of the object store is negative")
	}
	if _, err := c.pool(); err != nil {
		return err
	}
	return nil
}

// pool is the configuration of the connections. Their own time limits stop a statement that the
// server goes on with after its client has given up.
func (c Config) pool() (*pgxpool.Config, error) {
	p, err := schema.ParseLocation(c.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres_url: %w", err)
	}
	p.MaxConns = int32(max(1, min(c.MaxConns, 1000)))
	p.PingTimeout = readTimeout
	p.MaxConnIdleTime = 5 * time.Minute
	p.ConnConfig.ConnectTimeout = connectTimeout
	schema.SetSession(p.ConnConfig, map[string]string{
		"application_name":                    "tiercache-origin",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "10s",
		"default_transaction_isolation":       "read committed", // tiercache.sequence() insists
		// Every query has its index. A plan that was made while a table was as good as empty must not go on to scan what it
		// has become: the outbox is empty now and has a hundred thousand dead rows a minute later. Behind a pooler plans
		// are made for each statement.
		"enable_seqscan": "off",
	})
	return p, nil
}
