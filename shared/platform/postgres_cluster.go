package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrGone is wrapped when a database that was made is not where it was.
var ErrGone = errors.New("the database is gone")

// hostRules is the server's pg_hba.conf: a password for everybody, from this machine only. The last line is for
// pg_basebackup.
const hostRules = `local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

func (p *Postgres) hostRulesFile() string { return filepath.Join(p.dir, "pg_hba.conf") }

func (p *Postgres) writeHostRules() error {
	if err := WriteFile(p.hostRulesFile(), []byte(hostRules)); err != nil {
		return err
	}
	return p.account.own(p.hostRulesFile())
}

// The password counts only once the database knows it. Until then it lies under another name, so that a
// crash in between does not leave a password that opens nothing.
func (p *Postgres) passwordFile() string   { return filepath.Join(p.cfg.Dir, "password") }
func (p *Postgres) unsetPassword() string  { return filepath.Join(p.cfg.Dir, "password.unset") }
func (p *Postgres) passwordIsUnset() bool  { return exists(p.unsetPassword()) }
func (p *Postgres) passwordIsStored() bool { return exists(p.passwordFile()) }

func (p *Postgres) openPassword() (string, error) {
	if p.passwordIsStored() {
		return Secret(p.passwordFile(), RandomSecret)
	}
	return Secret(p.unsetPassword(), RandomSecret)
}

// ensureCluster makes the cluster, and sets the password where the database does not know it yet. The
// cluster is made beside its place and moved there whole: half of one never looks like one.
func (p *Postgres) ensureCluster(ctx context.Context, bin string) error {
	if p.majorVersion() == "" {
		if p.passwordIsStored() {
			return fmt.Errorf("%w: %s is not there any more, and %s says that it was. Restore a backup to that folder (tiercache control restore --help), or delete the file to begin with an empty database",
				ErrGone, p.data(), p.passwordFile())
		}
		p.cfg.Log.Info("making the database (first start)", "folder", p.dir)
		if err := p.initCluster(ctx, bin); err != nil {
			return err
		}
	} else if !p.passwordIsUnset() {
		return nil
	} else if err := p.setPassword(ctx, bin, p.data()); err != nil {
		return err
	}
	if !p.passwordIsUnset() {
		return nil
	}
	return os.Rename(p.unsetPassword(), p.passwordFile())
}

func (p *Postgres) initCluster(ctx context.Context, bin string) error {
	next := p.data() + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return err
	}
	if err := p.account.own(next); err != nil {
		return err
	}
	args := []string{"-D", next, "-U", databaseName, "--auth=trust", "--encoding=UTF8", "--locale=C"}
	if p.cfg.Throwaway {
		args = append(args, "--no-sync")
	}
	if err := p.runTool(ctx, next, "", filepath.Join(bin, "initdb"), args...); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if err := p.singleUser(ctx, bin, next, "CREATE DATABASE "+databaseName); err != nil {
		return err
	}
	if err := p.setPassword(ctx, bin, next); err != nil {
		return err
	}
	if !p.cfg.Throwaway {
		if err := p.singleUser(ctx, bin, next, reserveLog()); err != nil {
			return err
		}
	}
	return os.Rename(next, p.data())
}

const (
	// logSize is what the write-ahead log takes, at least and (between checkpoints) at most.
	logSize = "128MB"
	// logSegments is how many of its files, of 16 MiB each, that is.
	logSegments = 8
)

// reserveLog makes the whole write-ahead log now, by using up its files and giving them back. A server
// that needs another one while the disk is full goes down and cannot start again; with all of them there,
// it is the tables that find no room, which only fails the write.
func reserveLog() string {
	const useUp = "SELECT pg_logical_emit_message(false, 'tiercache', 'x'); SELECT pg_switch_wal();\n"
	return strings.Repeat(useUp, logSegments) + "CHECKPOINT"
}

func (p *Postgres) setPassword(ctx context.Context, bin, data string) error {
	return p.singleUser(ctx, bin, data, "ALTER ROLE "+databaseName+" PASSWORD '"+p.password+"'")
}

// singleUser runs one statement while no server runs. Single-user mode reports a failed statement only
// in its output.
func (p *Postgres) singleUser(ctx context.Context, bin, data, statement string) error {
	err := p.runTool(ctx, data, statement+"\n", filepath.Join(bin, "postgres"),
		"--single", "-D", data, "-c", "log_min_error_statement=panic", "-c", "exit_on_error=on",
		"-c", "min_wal_size="+logSize, "-c", "max_wal_size="+logSize, "postgres")
	if err != nil {
		return fmt.Errorf("prepare the database: %w", err)
	}
	return nil
}

// runTool runs one of PostgreSQL's programs as the server's account.
func (p *Postgres) runTool(ctx context.Context, dir, stdin, path string, args ...string) error {
	return RunTool(ctx, Program{
		Name: filepath.Base(path), Path: path, Args: args, Env: serverEnv(), Dir: dir, Stdin: stdin,
		Account: p.account,
	}, nil)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}
