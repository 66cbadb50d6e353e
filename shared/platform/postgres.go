package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// databaseName is the database, and its owner, that a private PostgreSQL has.
	databaseName = "tiercache"
	// socketPathLimit is the kernel's bound on a Unix socket's path (sun_path), less its final zero.
	socketPathLimit = 107
)

// PostgresConfig configures a private PostgreSQL.
type PostgresConfig struct {
	// Dir is where it keeps its data, password and configuration. When this process is root and the
	// server's account may not enter Dir, the data itself goes below /var/lib/tiercache.
	Dir string
	// Port on 127.0.0.1.
	Port int
	// MaxConnections is how many clients it takes; 0: 100.
	MaxConnections int
	// Throwaway turns fsync off: for tests, whose data need not outlive the machine.
	Throwaway bool
	// Log hears of slow steps, such as making the database; nil: nobody.
	Log *slog.Logger
	// Output receives what the server prints; nil: nobody.
	Output io.Writer
}

// Archiving is how the files of a write-ahead log are kept.
type Archiving struct {
	// Command is PostgreSQL's archive_command, which the server's account runs.
	Command string
	// Within bounds how old what is not archived may be, in whole seconds: an idle server waits no longer to archive.
	Within time.Duration
}

func (a *Archiving) settings() []string {
	if a == nil {
		return nil
	}
	return []string{"archive_mode=on", "archive_command=" + a.Command, "archive_timeout=" + strconv.Itoa(int(a.Within.Seconds()))}
}

// Postgres is a private PostgreSQL server: on loopback and, where the path is short enough, a Unix socket
// in its data folder; password (SCRAM) for every connection; small memory settings.
type Postgres struct {
	cfg      PostgresConfig
	account  *Account
	dir      string // where the cluster lies: cfg.Dir or the place that stands in for it
	password string
	process  *Process
	archive  *Archiving // nil: none
}

// OpenPostgres prepares cfg.Dir and the password, so that URL is known; it starts nothing.
func OpenPostgres(cfg PostgresConfig) (*Postgres, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	cfg.Dir = dir
	p := &Postgres{cfg: cfg}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return p, nil
}

func (p *Postgres) open() (err error) {
	if p.account, err = unprivileged("postgres"); err != nil {
		return err
	}
	if err = os.MkdirAll(p.cfg.Dir, 0o711); err != nil {
		return err
	}
	found, err := findHome(p.cfg.Dir, p.account)
	if err != nil {
		return err
	}
	p.dir = found.dir
	p.sayWhere(found.others)
	if owner := ownerOf(p.data()); owner != nil {
		p.account = owner
	}
	p.password, err = p.openPassword()
	return err
}

// sayWhere tells of a cluster that lies where nobody would look for it, and of those that it stands beside.
func (p *Postgres) sayWhere(others []string) {
	if p.dir == p.cfg.Dir {
		return
	}
	p.cfg.Log.Info("the account that PostgreSQL runs as could not enter the data folder; the database lies elsewhere",
		"folder", p.cfg.Dir, "database", p.dir)
	if len(others) > 0 {
		p.cfg.Log.Warn("this database is new and empty; older ones of the same folder are kept (to use one: stop, write its path to the file location, delete the file password)",
			"older", strings.Join(others, " "), "folder", p.cfg.Dir)
	}
}

// StartPostgres opens, starts and waits until it takes connections or ctx ends. A first start makes the
// database, which takes a second or two.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	p, err := OpenPostgres(cfg)
	if err != nil {
		return nil, err
	}
	program, err := p.Program(ctx)
	if err != nil {
		return nil, err
	}
	if p.process, err = StartProcess(program, p.cfg.Output); err != nil {
		return nil, err
	}
	if err := await(ctx, p.process, p.Ready); err != nil {
		return nil, errors.Join(err, p.process.Kill())
	}
	return p, nil
}

// URL is where the database is, with the password in it: never log it.
func (p *Postgres) URL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(databaseName, p.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.cfg.Port)),
		Path:     "/" + databaseName,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Account is who the server runs as; nil: this process's own user.
func (p *Postgres) Account() *Account { return p.account }

// Archive has the server keep the files of its write-ahead log, from its next start on.
func (p *Postgres) Archive(a Archiving) { p.archive = &a }

// Process is the server that StartPostgres started; nil after OpenPostgres alone.
func (p *Postgres) Process() *Process { return p.process }

// Pid is the server's process id, after StartPostgres.
func (p *Postgres) Pid() int { return p.process.Pid() }

// Stop ends the server that StartPostgres started: connections are cut, data is written (fast shutdown).
// When ctx ends first it is killed; the next start then recovers.
func (p *Postgres) Stop(ctx context.Context) error { return p.process.Stop(ctx) }

// Program makes the database where there is none, waits for an earlier server on the same data that is
// still going down, and says how to run the server.
func (p *Postgres) Program(ctx context.Context) (Program, error) {
	bin, err := p.prepare(ctx)
	if err != nil {
		return Program{}, fmt.Errorf("postgres: %w", err)
	}
	return Program{
		Name:    "postgres",
		Path:    filepath.Join(bin, "postgres"),
		Args:    p.args(),
		Env:     serverEnv(),
		Dir:     p.data(),
		Account: p.account,
		Stop:    syscall.SIGINT, // fast shutdown
		// Immediate shutdown: the server takes its own children with it and recovers at the next start.
		Orphaned: syscall.SIGQUIT,
	}, nil
}

func (p *Postgres) prepare(ctx context.Context) (bin string, err error) {
	if bin, err = findPostgres(p.majorVersion()); err != nil {
		return "", err
	}
	if err = p.writeHostRules(); err != nil {
		return "", err
	}
	if err = p.awaitPredecessor(ctx); err != nil {
		return "", err
	}
	return bin, p.ensureCluster(ctx, bin)
}

func (p *Postgres) args() []string {
	connections := p.cfg.MaxConnections
	if connections == 0 {
		connections = 100
	}
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.cfg.Port),
		"unix_socket_directories=" + p.socketDir(),
		"hba_file=" + p.hostRulesFile(),
		"max_connections=" + strconv.Itoa(connections),
		"password_encryption=scram-sha-256",
		"shared_buffers=32MB",
		"max_wal_size=" + logSize,
		"min_wal_size=" + logSize,
		"huge_pages=off",
		"log_destination=stderr",
		"logging_collector=off",
		"cluster_name=tiercache",
	}
	if p.cfg.Throwaway {
		settings = append(settings, "fsync=off", "full_page_writes=off", "synchronous_commit=on")
	}
	settings = append(settings, p.archive.settings()...)
	args := []string{"-D", p.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// socketDir is the data folder, which only the server's account may enter; empty (no socket) when its
// path is too long for one.
func (p *Postgres) socketDir() string {
	if len(p.data())+len("/.s.PGSQL.65535.lock") > socketPathLimit || strings.ContainsAny(p.data(), `",`) {
		return ""
	}
	return p.data()
}

// Ready says whether the server takes connections, by the state that it writes into its lock file.
func (p *Postgres) Ready(context.Context) error {
	lock, err := p.readLock()
	if err != nil {
		return fmt.Errorf("no lock file yet: %w", err)
	}
	if lock.state != "ready" {
		return fmt.Errorf("postgres is %s", lock.state)
	}
	if p.process != nil && lock.pid != p.process.Pid() {
		return errors.New("the lock file is of an earlier server")
	}
	if !p.servedBy(lock.pid) {
		return errors.New("the lock file is of a server that ended")
	}
	return nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// serverEnv is what a server needs of our environment; LANG, PGDATA and the like would change what it does.
func serverEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// majorVersion is the version that made the data; empty when there is none.
func (p *Postgres) majorVersion() string {
	version, err := os.ReadFile(filepath.Join(p.data(), "PG_VERSION"))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(version))
}
