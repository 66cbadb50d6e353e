package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"tiercache/control/backup"
)

func newBackupLs() *cobra.Command {
	var repository repositoryFlag
	var access controlAccess
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List the base backups, and until when each can be restored",
		Example: "  tiercache control backup ls --repository /srv/backup",
		Args:    wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(access.output); err != nil {
				return err
			}
			r, err := repository.open()
			if err != nil {
				return err
			}
			list, err := r.Reaches()
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) { backupTable(w, list) })
		},
	}
	repository.bind(cmd.Flags())
	cmd.Flags().StringVarP(&access.output, "output", "o", "table", "table or json")
	return cmd
}

func backupTable(w *tabwriter.Writer, list []backup.Verified) {
	fmt.Fprintln(w, "ID\tOVER\tSIZE\tPOSTGRESQL\tTIMELINE\tEPOCH\tLOG KEPT UNTIL\tSEGMENTS\tSIZE\tGAPS")
	for _, b := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\t%d\n", b.ID, b.Finished.Format(time.DateTime), humanize.IBytes(uint64(b.Bytes)), b.PostgreSQL,
			b.Timeline, b.Head, moment(b.Reach.At), b.Reach.Segments, humanize.IBytes(uint64(b.Reach.Bytes)), len(b.Reach.Missing))
	}
}

// moment is a time for people, in UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

func newBackupVerify() *cobra.Command {
	var repository repositoryFlag
	cmd := &cobra.Command{
		Use:   "verify [ID]",
		Short: "Read a backup and the log behind it, or all, and compare with what was written",
		Long: "Read a backup and the log behind it, or all backups, and compare each file with what was written: base backups\n" +
			"with their manifests (pg_verifybackup), the files of the log with the digests in their names. Say which are damaged\n" +
			"or missing. Only a restore shows more: run one to another folder now and then.",
		Example: "  tiercache control backup verify --repository /srv/backup\n" +
			"  tiercache control backup verify 20261130T174500Z --repository /srv/backup",
		Args: wantArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := repository.open()
			if err != nil {
				return err
			}
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			list, err := r.Verify(cmd.Context(), id, sparing(saying(cmd.ErrOrStderr())))
			if err != nil {
				return err
			}
			for _, b := range list {
				fmt.Fprintf(cmd.OutOrStdout(), "backup %s is whole, and so are the %d segments of the log behind it, the last of %s\n", b.ID, b.Reach.Segments, moment(b.Reach.At))
			}
			return nil
		},
	}
	repository.bind(cmd.Flags())
	return cmd
}

// sparing lets one line a second through.
func sparing(say func(string, ...any)) func(string, ...any) {
	var last time.Time
	return func(format string, args ...any) {
		if time.Since(last) > time.Second {
			last = time.Now()
			say(format, args...)
		}
	}
}

// exitAborts is a status by which PostgreSQL takes it that its restore_command has failed, and not that the log ends there:
// then it ends instead of going on with less than there is.
const exitAborts = 200

func newBackupArchive() *cobra.Command {
	var repository repositoryFlag
	cmd := &cobra.Command{
		Use:   "archive FILE",
		Short: "Keep a file of the write-ahead log: PostgreSQL's archive_command",
		Long: "Keep a file of the write-ahead log, and end when it is on the disk. For PostgreSQL's archive_command, which calls it\n" +
			"with each file. It may be repeated; a file of the same name with another content is refused.",
		Example: "  tiercache control backup archive --repository /srv/backup pg_wal/000000010000000000000003",
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := repository.find()
			if err != nil {
				return err
			}
			r, err := backup.OpenOrCreate(dir)
			if err != nil {
				return err
			}
			return r.Archive(args[0])
		},
	}
	repository.bind(cmd.Flags())
	return cmd
}

func newBackupFetch() *cobra.Command {
	var repository repositoryFlag
	cmd := &cobra.Command{
		Use:   "fetch NAME TARGET",
		Short: "Bring a file of the write-ahead log back: PostgreSQL's restore_command",
		Long: "Bring a file of the write-ahead log back to TARGET. For PostgreSQL's restore_command. The exit status is 1 where the\n" +
			"archive has no such file, which is how the log ends, and 200 for anything else, at which PostgreSQL stops.",
		Example: "  tiercache control backup fetch --repository /srv/backup 000000010000000000000003 pg_wal/RECOVERYXLOG",
		Args:    wantArgs(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := repository.open()
			if err == nil {
				err = r.Fetch(args[0], args[1])
			}
			if err != nil && !errors.Is(err, backup.ErrNotArchived) {
				return &exitError{code: exitAborts, err: err}
			}
			return err
		},
	}
	repository.bind(cmd.Flags())
	return cmd
}
