package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Errors of ParseLocation. None repeats what it was given.
var (
	// ErrLocation: it is neither a URL nor a keyword string that PostgreSQL's clients take.
	ErrLocation = errors.New("it is not of the form postgres://user:password@host:5432/database")
	// ErrCredentials: the user name or the password cannot be told from the rest.
	ErrCredentials = errors.New("the user name or the password cannot be read: percent-encode what is special in them, such as %40 for @ and %2F for /")
)

// ParseLocation reads a PostgreSQL connection URL or keyword string. Its errors may be shown to anybody: they
// repeat neither user name nor password. The parser's own do when it takes a part of the password for
// something else, such as a port or the name of the database, and so would the errors of connecting later on.
func ParseLocation(location string) (*pgxpool.Config, error) {
	bare, err := withoutCredentials(location)
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(location)
	if err == nil {
		if err := pooled(cfg.ConnConfig); err != nil {
			return nil, err
		}
		return cfg, nil
	}
	if bare == "" {
		return nil, ErrLocation
	}
	if _, err := pgxpool.ParseConfig(bare); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLocation, err)
	}
	return nil, ErrCredentials
}

// pooler is the parameter of a location by which it says that there is a pooler in transaction mode before the server, such
// as PgBouncer: pooler=transaction.
const pooler = "pooler"

// pooled makes connections that a pooler may give to another client after each transaction: nothing is prepared on the
// server beyond one exchange. What types a statement has is asked once, and kept here. ErrLocation for another kind of
// pooler.
func pooled(cc *pgx.ConnConfig) error {
	kind, given := cc.RuntimeParams[pooler]
	delete(cc.RuntimeParams, pooler)
	switch {
	case !given:
		return nil
	case kind != "transaction":
		return fmt.Errorf("%w: pooler is transaction, or not given", ErrLocation)
	}
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	cc.StatementCacheCapacity = 0
	return nil
}

// SetSession gives the sessions of a location the settings, PostgreSQL's parameters by name. Behind a pooler there are no
// sessions: the role has to have them (ALTER ROLE), and only the name of the application is told.
func SetSession(cc *pgx.ConnConfig, settings map[string]string) {
	for name, value := range settings {
		if cc.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe || name == "application_name" {
			cc.RuntimeParams[name] = value
		}
	}
}

// withoutCredentials is a URL with neither user name nor password in it; "" for what is no URL. ErrCredentials when
// it cannot be told where they end.
func withoutCredentials(location string) (string, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return "", nil
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts, behind := rest[:end], rest[end:]
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		hosts = hosts[i+1:]
	}
	if strings.ContainsAny(behind, "@#") || !hasPorts(hosts) {
		return "", ErrCredentials
	}
	path, query, _ := strings.Cut(behind, "?")
	return scheme + "://" + hosts + path + "?" + withoutPasswords(query), nil
}

// hasPorts reports whether each of the hosts, comma separated, has a port that is a number, or none.
func hasPorts(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		i := strings.LastIndexByte(host, ':')
		if i > strings.LastIndexByte(host, ']') && strings.Trim(host[i+1:], "0123456789") != "" {
			return false
		}
	}
	return true
}

func withoutPasswords(query string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); err == nil && !strings.Contains(name, "pass") && name != "user" {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
