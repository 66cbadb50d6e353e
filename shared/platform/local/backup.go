package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tiercache/shared/platform"
)

// prepareBackup has PostgreSQL archive its log, by this program, and sees to it that the account which it runs as can.
func (p *Platform) prepareBackup() error {
	if p.cfg.Backup == "" {
		return nil
	}
	p.around.repository = absolute(p.cfg.Backup)
	account := p.postgres.Account()
	if _, err := os.Stat(p.around.repository); errors.Is(err, os.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(p.around.repository, 0o700), account.Own(p.around.repository)); err != nil {
			return fmt.Errorf("--backup: %w", err)
		}
	}
	for _, dir := range []string{p.around.repository, filepath.Dir(p.deps.Executable)} {
		if ok, err := account.MayEnter(dir); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("--backup: account %s, which PostgreSQL runs as, may not enter %s. It runs this program to keep its log: put the program into a folder that all may enter, such as /usr/local/bin, and the backups into one that it may enter, such as /var/backups/tiercache", account.Name, dir))
		}
	}
	p.postgres.Archive(platform.Archiving{
		Command: fmt.Sprintf("%s control backup archive --repository %s %%p", forPostgres(p.deps.Executable), forPostgres(p.around.repository)),
		Within:  p.cfg.BackupLag,
	})
	return nil
}

// forPostgres is a path as one word for a shell, in a setting in which % has a meaning.
func forPostgres(path string) string { return strings.ReplaceAll(quoted(path), "%", "%%") }

// backupService makes base backups.
func (p *Platform) backupService() platform.Service {
	return platform.Service{
		Name: "backup", Stage: stageControl,
		Program: p.program("backup", "control", "backup", "--repository", p.around.repository, "--data-dir", p.around.dir,
			"--every", p.cfg.BackupEvery.String(), "--keep", strconv.Itoa(p.cfg.BackupKeep)),
		Ready: func(context.Context) error { return nil },
		Loud: p.whileServing(func(line string) bool {
			return strings.HasPrefix(line, "error: ") || strings.HasPrefix(line, "warning: ")
		}),
	}
}
