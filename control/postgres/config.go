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
	// URL is a PostgreSQL connection URL or keyword string, of the database that the fleet's writers write
	// to. The user must be allowed to create the schema tiercache or own it.
	URL string

	// MaxConns bounds the connections of this process. Default 8.
	MaxConns int

	// Retain is how long entries of the log are kept. Default 168h. A node that was away for longer, or a
	// stored response that was last seen to be good before, is asked for anew.
	Retain time.Duration

	// RetainRows is how many entries are kept at most. Default 262144, which is how many scopes a node's
	// index holds: what is older the nodes have forgotten, too.
	RetainRows int

	// RetainRecords is how long purges and lines of activity can be looked up. Default 2160h, 90 days.
	RetainRecords time.Duration

	// MaxMembers bounds the members of a tier; 0: nothing does.
	MaxMembers int

	// CompactInterval is the pause between two compactions of the log. Default 1m.
	CompactInterval time.Duration
}

// Limits on what a call may take.
const (
	readTimeout    = 2 * time.Second // a read, connecting included
	writeTimeout   = 5 * time.Second // a transaction that writes; a poll is one
	connectTimeout = 2 * time.Second
	loadTimeout    = 2 * time.Minute
	compactTimeout = time.Minute
	migrateTimeout = 5 * time.Minute
)

func (c Config) withDefaults() Config {
	setDefault(&c.MaxConns, 8)
	setDefault(&c.Retain, 168*time.Hour)
	setDefault(&c.RetainRows, 1<<18)
	setDefault(&c.RetainRecords, 90*24*time.Hour)
	setDefault(&c.CompactInterval, time.Minute)
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
		return errors.New("postgres_url is empty: give the URL of the fleet's PostgreSQL database, such as postgres://user@127.0.0.1:5432/tiercache")
	}
	if c.MaxConns < 0 || c.Retain < 0 || c.RetainRows < 0 || c.RetainRecords < 0 || c.MaxMembers < 0 || c.CompactInterval < 0 {
		return errors.New("a limit of the control log is negative")
	}
	if _, err := c.pool(); err != nil {
		return err
	}
	return nil
}

// pool is the configuration of the connections. Their own time limits stop a statement that the server
// goes on with after its client has given up.
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
		"application_name":                    "tiercache-control",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "10s",
		"default_transaction_isolation":       "read committed", // sequence() refuses others
		"jit":                                 "off",            // statements are short: to compile one takes longer than to run it
	})
	return p, nil
}
