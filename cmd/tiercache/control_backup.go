package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tiercache/control/backup"
	"tiercache/shared/platform/local"
	"tiercache/shared/token"
)

// repositoryVariable is where commands find the repository that no flag names.
const repositoryVariable = "TIERCACHE_REPOSITORY"

// repositoryFlag is how commands are told where the backups are.
type repositoryFlag struct{ dir string }

func (f *repositoryFlag) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.dir, "repository", "", "folder of the backups (default $"+repositoryVariable+")")
}

func (f *repositoryFlag) find() (string, error) {
	dir := f.dir
	if dir == "" {
		dir = os.Getenv(repositoryVariable)
	}
	if dir == "" {
		return "", usage(errors.New("name the folder of the backups with --repository or $" + repositoryVariable))
	}
	return dir, nil
}

func (f *repositoryFlag) open() (*backup.Repository, error) {
	dir, err := f.find()
	if err != nil {
		return nil, err
	}
	return backup.Open(dir)
}

// taking is `control backup` itself.
type taking struct {
	repository        repositoryFlag
	location, dataDir string
	keep              int
	every             time.Duration
}

func newBackupCommand() *cobra.Command {
	var t taking
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Make a base backup of the database, and keep its write-ahead log",
		Long: "Make a base backup of the database cluster with pg_basebackup, check each file of it, and remove the oldest ones\n" +
			"with the part of the write-ahead log that only they need. The database goes on meanwhile. The subcommands keep\n" +
			"the log between base backups, list and verify. PostgreSQL is all that has to be backed up.\n\n" +
			"The database is that of --postgres-url, else of $" + postgresVariable + ", else the one of the platform that up runs in\n" +
			"--data-dir. Its role needs REPLICATION, and a line for it in pg_hba.conf. As root, all is done as the account\n" +
			"postgres, or as the one that the repository belongs to.",
		Example: "  tiercache control backup --repository /srv/backup\n" +
			"  tiercache control backup --repository /srv/backup --keep 7 --every 24h",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	t.repository.bind(cmd.Flags())
	cmd.Flags().StringVar(&t.location, "postgres-url", "", "URL of the database (default $"+postgresVariable+", which nobody else can see)")
	cmd.Flags().StringVar(&t.dataDir, "data-dir", token.DataDir(), "data directory of a platform that up runs")
	cmd.Flags().IntVar(&t.keep, "keep", 0, "how many base backups are kept; 0 keeps all")
	cmd.Flags().DurationVar(&t.every, "every", 0, "go on, and make one whenever the newest is that old")
	cmd.AddCommand(newBackupLs(), newBackupVerify(), newBackupArchive(), newBackupFetch())
	return cmd
}

func (t *taking) run(cmd *cobra.Command) error {
	if t.keep < 0 {
		return usage(fmt.Errorf("--keep %d: use the number of base backups, or 0 for all", t.keep))
	}
	if t.every != 0 && t.every < time.Minute {
		return usage(fmt.Errorf("--every %v: use 1m or more", t.every))
	}
	dir, err := t.repository.find()
	if err != nil {
		return err
	}
	if t.every == 0 {
		return t.once(cmd, dir)
	}
	return t.repeat(cmd, dir)
}

func (t *taking) once(cmd *cobra.Command, dir string) error {
	location, err := t.findDatabase()
	if err != nil {
		return err
	}
	repository, err := backup.OpenOrCreate(dir)
	if err != nil {
		return err
	}
	taken, err := repository.Take(cmd.Context(), backup.TakeOptions{Location: location, Keep: t.keep, Version: version, Say: saying(cmd.ErrOrStderr())})
	if taken == nil {
		return err
	}
	warnAll(cmd.ErrOrStderr(), taken.Warnings)
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "backup %s: %s in %d files, timeline %d, %v to %v, epoch %d, in %v\n", taken.ID, humanize.IBytes(uint64(taken.Bytes)), taken.Files,
		taken.Timeline, taken.Start, taken.End, taken.Head, taken.Finished.Sub(taken.Started).Round(100*time.Millisecond))
	if len(taken.Removed) > 0 {
		fmt.Fprintf(out, "removed: %s, and %d files of the log\n", strings.Join(taken.Removed, ", "), taken.RemovedWAL)
	}
	return err
}

// findDatabase is the URL of the database, with its password.
func (t *taking) findDatabase() (string, error) {
	location, err := findLocation(t.location)
	if err == nil {
		return location, nil
	}
	path := filepath.Join(t.dataDir, local.PostgresFile)
	content, readErr := os.ReadFile(path)
	if errors.Is(readErr, fs.ErrNotExist) {
		return "", fmt.Errorf("%w, or name with --data-dir the directory of a platform that up runs (%s does not exist)", err, path)
	}
	return strings.TrimSpace(string(content)), readErr
}

const (
	firstRetry   = 5 * time.Second
	longestRetry = 10 * time.Minute
)

// repeat makes a backup whenever the newest is old enough, until it is told to end. What fails is said and tried again.
func (t *taking) repeat(cmd *cobra.Command, dir string) error {
	retry := firstRetry
	for {
		wait := t.due(dir)
		if wait <= 0 {
			if err := t.once(cmd, dir); err == nil {
				retry = firstRetry
				continue
			} else if cmd.Context().Err() == nil {
				wait, retry = retry, min(2*retry, longestRetry)
				fmt.Fprintf(cmd.ErrOrStderr(), "error: %v; trying again in %v\n", err, wait)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-cmd.Context().Done():
			timer.Stop()
			return context.Canceled
		case <-timer.C:
		}
	}
}

// due is how long there is no need for another one.
func (t *taking) due(dir string) time.Duration {
	repository, err := backup.Open(dir)
	if err != nil {
		return 0
	}
	list, err := repository.List()
	if err != nil || len(list) == 0 {
		return 0
	}
	return time.Until(list[len(list)-1].Started.Add(t.every))
}

// saying prints progress, for people who wait.
func saying(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}
