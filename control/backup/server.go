package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/platform"
)

// pollPause is how often a server that recovers is asked how far it is.
const pollPause = 20 * time.Millisecond

// server is PostgreSQL on what is being restored. Nobody reaches it but this process: it listens on a socket in a private
// folder alone, and archives nothing. What it would archive is marked, so that the one who starts the database for good
// archives it: the history of the new timeline among it.
type server struct {
	j       *restoring
	process *platform.Process
	printed *serverLog
}

// start starts it. target are settings of the recovery.
func (j *restoring) start(ctx context.Context, target []string) (*server, error) {
	path, err := platform.PostgresTool("postgres", j.out.From.PostgreSQL)
	if err != nil {
		return nil, err
	}
	settings, err := j.settings(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.give(filepath.Join(j.work, "recovery.signal"), nil, 0o600); err != nil {
		return nil, err
	}
	args := []string{"-D", j.work}
	for _, setting := range append(settings, target...) {
		args = append(args, "-c", setting)
	}
	s := &server{j: j, printed: &serverLog{say: j.o.Say, total: j.out.Reach.Segments}}
	s.process, err = platform.StartProcess(platform.Program{
		Name: "postgres", Path: path, Args: args, Env: platform.ToolEnv(), Dir: j.work, Account: j.account,
		Stop: syscall.SIGINT, Orphaned: syscall.SIGQUIT,
	}, s.printed)
	return s, err
}

// settings are the server's, over all that the backup has of its own: what is for production, such as standbys that a
// commit waits for, must not count here.
func (j *restoring) settings(ctx context.Context) ([]string, error) {
	fetch := fmt.Sprintf("%s control backup fetch --repository %s %%f %%p", forPostgres(j.program), forPostgres(j.r.dir))
	settings := []string{
		"config_file=" + filepath.Join(j.private, "postgresql.conf"),
		"hba_file=" + filepath.Join(j.private, "pg_hba.conf"),
		"ident_file=" + filepath.Join(j.private, "pg_ident.conf"),
		"listen_addresses=", "unix_socket_directories=" + j.private, "port=5432", "ssl=off",
		"restore_command=" + fetch, "archive_cleanup_command=", "recovery_end_command=",
		"recovery_target_action=promote", fmt.Sprintf("recovery_target_timeline=%d", j.out.Reach.Timeline),
		"primary_conninfo=", "primary_slot_name=", "synchronous_standby_names=",
		"archive_mode=on", "archive_command=", "autovacuum=off", "shared_buffers=64MB", "huge_pages=off",
		"logging_collector=off", "log_destination=stderr", "log_timezone=UTC", "log_min_messages=info", "cluster_name=tiercache-restore",
	}
	same, err := j.sameAsBefore(ctx)
	return append(settings, same...), err
}

// controlData are the settings that a server in recovery must have at least as high as the one that wrote the log.
var controlData = regexp.MustCompile(`(?m)^(wal_level|max_connections|max_worker_processes|max_wal_senders|max_prepared_xacts|max_locks_per_xact) setting: +(\S+)$`)

func (j *restoring) sameAsBefore(ctx context.Context) (settings []string, err error) {
	path, err := platform.PostgresTool("pg_controldata", j.out.From.PostgreSQL)
	if err != nil {
		return nil, err
	}
	var printed strings.Builder
	err = platform.RunTool(ctx, platform.Program{
		Name: "pg_controldata", Path: path, Args: []string{j.work}, Account: j.account, Dir: j.private, Env: platform.ToolEnv(),
	}, &printed)
	if err != nil {
		return nil, err
	}
	for _, m := range controlData.FindAllStringSubmatch(printed.String(), -1) {
		name := map[string]string{"max_prepared_xacts": "max_prepared_transactions", "max_locks_per_xact": "max_locks_per_transaction"}[m[1]]
		if name == "" {
			name = m[1]
		}
		settings = append(settings, name+"="+m[2])
	}
	return settings, nil
}

// forPostgres is a path as one word for a shell, in a setting in which % has a meaning.
func forPostgres(path string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(path, "'", `'\''`), "%", "%%") + "'"
}

// connect opens a connection as a superuser of the database that was backed up; it fails while the server recovers.
func (s *server) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connectAs(ctx, s.j.out.From.Role)
	if err != nil {
		return nil, err
	}
	var name string
	err = conn.QueryRow(ctx, "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY rolname = current_user DESC LIMIT 1").Scan(&name)
	if err == nil && name == s.j.out.From.Role {
		return conn, nil
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, err
	}
	return s.connectAs(ctx, name)
}

func (s *server) connectAs(ctx context.Context, role string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.Password = s.j.private, 5432, ""
	cfg.Database, cfg.User = s.j.out.From.Database, role
	cfg.RuntimeParams["search_path"] = "pg_catalog"
	return pgx.ConnectConfig(ctx, cfg)
}

// await asks until try says true. An end of the server is an error that says why.
func (s *server) await(ctx context.Context, try func() (bool, error)) error {
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.process.Done():
			return s.whyEnded()
		case <-ticker.C:
		}
		if done, err := try(); done || err != nil {
			return err
		}
	}
}

// awaitPromotion waits until the server has reached the target and takes writes.
func (s *server) awaitPromotion(ctx context.Context) error {
	return s.await(ctx, func() (bool, error) { return s.state() == "ready", nil })
}

// state is what the server writes into its lock file: starting, standby (it recovers, and can be read), ready, stopping.
// To ask it by connecting would cost more than the recovery.
func (s *server) state() string {
	content, err := os.ReadFile(filepath.Join(s.j.work, "postmaster.pid"))
	lines := strings.Split(string(content), "\n")
	if err != nil || len(lines) < 8 || strings.TrimSpace(lines[0]) != strconv.Itoa(s.process.Pid()) {
		return ""
	}
	return strings.TrimSpace(lines[7])
}

// whyEnded is what the server's last words mean.
func (s *server) whyEnded() error {
	words := s.printed.last()
	switch {
	case strings.Contains(words, ErrDamaged.Error()):
		return fmt.Errorf("%w: the archive cannot be read on: %s", ErrDamaged, words)
	case strings.Contains(words, "before configured recovery target was reached"):
		return fmt.Errorf("%w: the archive ends before %v; the last commit in it is of %s. Nothing was committed later, or it was not archived: restore latest",
			ErrTarget, s.j.o.Target, stamp(s.printed.lastCommit()))
	case strings.Contains(words, "is not a child of this server's history"):
		return fmt.Errorf("%w: %s: choose another --timeline, or an older backup", ErrTarget, words)
	}
	return fmt.Errorf("the server that restores has ended (%v): %s", s.process.Err(), words)
}

// kill ends the server at once if it still runs; what it has is thrown away. It takes its own processes and its shared memory
// with it, unless it hangs.
func (s *server) kill() {
	_ = s.process.Signal(syscall.SIGQUIT)
	select {
	case <-s.process.Done():
	case <-time.After(10 * time.Second):
		_ = s.process.Kill()
	}
}

// stop ends it in good order: the next start recovers nothing.
func (s *server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := s.process.Stop(ctx); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(s.j.work, "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the server that restored has not stopped in good order: %s", s.printed.last())
	}
	return nil
}

func (s *server) timeline(ctx context.Context) (line uint32, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var name string
	if err := conn.QueryRow(ctx, "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)").Scan(&name); err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(name, "%X", &line)
	return line, err
}
