package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
)

const (
	postgresAddr = "postgres-1" // whose relay is the database's address, whichever server that is
	// diskSize is that of a database's disk, in megabytes.
	diskSize = 700
	// serverTime is how long a server may take to start, also to recover.
	serverTime = 30 * time.Second
)

// databaseURL is one without password: nobody else is in this network.
func databaseURL(address string) string {
	return "postgres://tiercache@" + address + "/postgres?sslmode=disable&connect_timeout=5"
}

// database is a PostgreSQL cluster and its server.
type database struct {
	fleet *fleet
	part  *part
	host  string
	dir   string // its disk, in which data is
}

// newDatabase is one without data, on a disk of its own.
func (f *fleet) newDatabase(host string) (*database, error) {
	f.clusters++
	d := &database{fleet: f, host: host, dir: filepath.Join(scratch, fmt.Sprintf("cluster-%d", f.clusters))}
	if err := f.programs.disk(d.dir, diskSize); err != nil {
		return nil, err
	}
	if f.clusters == 1 {
		if err := setClock(postgresAddr, 0); err != nil {
			return nil, err
		}
	}
	settings := []string{
		"listen_addresses=" + addr(host), "port=" + strconv.Itoa(port(host)), "unix_socket_directories=", "hba_file=" + d.dir + "/hba.conf",
		"max_connections=80", "shared_buffers=32MB", "min_wal_size=80MB", "max_wal_size=128MB", "wal_level=replica", "max_wal_senders=4",
		"wal_keep_size=64MB", "hot_standby=on", "huge_pages=off", "logging_collector=off", "log_destination=stderr", "restart_after_crash=on",
	}
	var args []string
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	d.part = &part{
		host: f.net.hosts[host], name: filepath.Base(d.dir), account: f.programs.account.Username, path: filepath.Join(f.programs.postgres, "postgres"),
		args: append([]string{"-D", d.data()}, args...), dir: d.data(), logs: f.cfg.logs(), ready: d.answers,
		env: []string{"LD_PRELOAD=" + f.programs.faketime, "FAKETIME_TIMESTAMP_FILE=" + clockFile(postgresAddr), "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"},
	}
	hba := "local all all trust\nhost all all 10.77.0.0/16 trust\nhost replication all 10.77.0.0/16 trust\n"
	return d, os.WriteFile(filepath.Join(d.dir, "hba.conf"), []byte(hba), 0o644)
}

func (d *database) data() string { return filepath.Join(d.dir, "data") }

// makeDatabase makes the fleet's first one and starts it.
func (f *fleet) makeDatabase(ctx context.Context) (*database, error) {
	d, err := f.newDatabase("postgres-1")
	if err != nil {
		return nil, err
	}
	if err := d.tool(ctx, "initdb", "-D", d.data(), "-U", "tiercache", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	return d, d.start(ctx)
}

// tool runs one of PostgreSQL's programs as the servers' account.
func (d *database) tool(ctx context.Context, name string, args ...string) error {
	account := d.fleet.programs.account
	line := []string{"--reuid=" + account.Username, "--regid=" + account.Username, "--clear-groups", "--", filepath.Join(d.fleet.programs.postgres, name)}
	_, err := command(ctx, "", "setpriv", append(line, args...)...)
	return err
}

// start starts the server and waits until it takes connections.
func (d *database) start(ctx context.Context) error {
	_ = os.Remove(filepath.Join(d.data(), "postmaster.pid")) // of a server that was killed, or copied
	if err := d.part.start(); err != nil {
		return err
	}
	return d.part.await(ctx, serverTime)
}

// stop ends the server in good order.
func (d *database) stop(ctx context.Context) error { return d.part.stop(ctx, syscall.SIGINT) }

// remove ends it for good and gives its memory back.
func (d *database) remove() error {
	if err := d.part.kill(); err != nil {
		return err
	}
	return syscall.Unmount(d.dir, syscall.MNT_DETACH)
}

func (d *database) answers(ctx context.Context) error { return d.run(ctx, "SELECT") }

// connect connects to the server itself.
func (d *database) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pgx.Connect(ctx, databaseURL(address(d.host)))
}

// run runs a statement.
func (d *database) run(ctx context.Context, statement string, args ...any) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is left to say
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err = conn.Exec(ctx, statement, args...)
	return err
}

// query runs one and hands each row's columns over as text.
func (d *database) query(ctx context.Context, statement string, each func(row []string)) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is left to say
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rows, err := conn.Query(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row []string
		for _, value := range rows.RawValues() {
			row = append(row, string(value))
		}
		each(row)
	}
	return rows.Err()
}

// logRow is an entry of the control log.
type logRow struct {
	Epoch, Prev uint64
	ID, Kind    string
	Term        controllog.TermChange // of a term
}

// log is the whole control log.
func (d *database) log(ctx context.Context) (list []logRow, err error) {
	err = d.query(ctx, "SELECT epoch, prev, id, kind, CASE WHEN kind = 'term' THEN body::text ELSE '' END FROM tiercache.log ORDER BY epoch", func(row []string) {
		r := logRow{ID: row[2], Kind: row[3]}
		r.Epoch, _ = strconv.ParseUint(row[0], 10, 64) // a bigint that is not negative
		r.Prev, _ = strconv.ParseUint(row[1], 10, 64)
		if row[4] != "" {
			_ = json.Unmarshal([]byte(row[4]), &r.Term) // of our own making
		}
		list = append(list, r)
	})
	return list, err
}

// bodies are the small bodies of all versions that the origin has, which say which version they are.
func (d *database) bodies(ctx context.Context) (list []string, err error) {
	err = d.query(ctx, `SELECT convert_from(c.bytes, 'UTF8') FROM origin.versions v JOIN origin.chunks c USING (body_id) WHERE c.index = 0`,
		func(row []string) { list = append(list, row[0]) })
	return list, err
}

// spare is the host that has no server now.
func (f *fleet) spare() string {
	if f.db.host == "postgres-1" {
		return "postgres-2"
	}
	return "postgres-1"
}

// backup makes a base backup of the running server, for another host.
func (d *database) backup(ctx context.Context, args ...string) (*database, error) {
	b, err := d.fleet.newDatabase(d.fleet.spare())
	if err != nil {
		return nil, err
	}
	location := "host=" + addr(d.host) + " port=" + strconv.Itoa(port(d.host)) + " user=tiercache dbname=postgres"
	return b, b.tool(ctx, "pg_basebackup", append([]string{"-D", b.data(), "-d", location, "--checkpoint=fast", "--no-sync"}, args...)...)
}

// copy is a copy of the data, file by file, for another host. The server must not run.
func (d *database) copy(ctx context.Context) (*database, error) {
	c, err := d.fleet.newDatabase(d.fleet.spare())
	if err != nil {
		return nil, err
	}
	_, err = command(ctx, "", "cp", "-a", d.data(), c.data())
	return c, err
}

// append adds lines to a file of the data, which may be new.
func (d *database) append(name string, lines ...string) error {
	path := filepath.Join(d.data(), name)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(d.fleet.programs.account.Uid) // numbers, on Linux
	gid, _ := strconv.Atoi(d.fleet.programs.account.Gid)
	return os.Chown(path, uid, gid)
}

// replace puts another server in the place of the database's: the address that everybody knows leads there.
func (f *fleet) replace(d *database) error {
	old := f.db
	f.db = d
	if err := f.relays[postgresAddr].lead(address(d.host)); err != nil {
		return err
	}
	if old != d {
		return old.remove()
	}
	return nil
}
