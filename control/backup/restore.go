package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tiercache/shared/platform"
)

// Errors of Restore.
var (
	// ErrTarget: the archive does not lead to the target.
	ErrTarget = errors.New("the target cannot be reached")
	// ErrOccupied: there is something where the database is to be restored.
	ErrOccupied = errors.New("the folder is not empty")
	// ErrInconsistent: what was restored contradicts itself.
	ErrInconsistent = errors.New("what was restored is not consistent")
)

// RestoreOptions say what is to be restored, and where.
type RestoreOptions struct {
	Target Target
	// Backup is the base backup to begin with; "": the newest that is early enough.
	Backup string
	// Timeline is the one to follow; 0: the newest that leads back to the backup.
	Timeline uint32
	// DataDir becomes PostgreSQL's data directory. It appears when all is done, and not before.
	DataDir string
	// Quick leaves out the comparison of each body with its digest.
	Quick bool
	// Program is this program: PostgreSQL calls it for each file of the archive.
	Program string
	// Say hears of progress; nil: nobody.
	Say func(format string, args ...any)
}

// Restored is what a restore has come to.
type Restored struct {
	Repository string   `json:"repository"`
	From       *Entry   `json:"backup"`
	Reach      *Reach   `json:"reach"`
	DataDir    string   `json:"data_dir"`
	Timeline   uint32   `json:"timeline"` // a new one
	Database   Findings `json:"database"`
	// LastCommit is when the last transaction that was replayed was committed; zero if none was.
	LastCommit time.Time `json:"last_commit,omitzero"`
	// How long the steps took, in nanoseconds.
	Copied   time.Duration `json:"copied"`
	Verified time.Duration `json:"verified"`
	Replayed time.Duration `json:"replayed"`
	Checked  time.Duration `json:"checked"`
}

// Restore makes a data directory from a base backup and the archive, starts a server on it that nobody else can reach,
// checks what is in it, and ends the server. The directory is then ready to be started. The repository stays as it is.
// Errors: ErrOccupied, ErrNoBackup, ErrTarget, ErrDamaged, ErrInconsistent.
func (r *Repository) Restore(ctx context.Context, o RestoreOptions) (out *Restored, err error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	job, err := r.prepareRestore(&o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, job.close()) }()
	job.out.From, err = r.choose(o.Backup, o.Target)
	if err != nil {
		return nil, err
	}
	if job.out.Reach, err = r.reach(job.out.From, o.Timeline); err != nil {
		return nil, err
	}
	if err := job.checkReach(); err != nil {
		return nil, err
	}
	if err := job.run(ctx); err != nil {
		if errors.Is(err, ErrInconsistent) {
			return nil, fmt.Errorf("%w. It is left in %s for you to look at", err, job.work)
		}
		return nil, errors.Join(err, os.RemoveAll(job.work))
	}
	return &job.out, nil
}

// restoring is one restore.
type restoring struct {
	r       *Repository
	o       *RestoreOptions
	account *platform.Account
	work    string // where it is made: beside its place
	private string // folder of the server's socket and settings
	program string // what the server's account can run
	out     Restored
}

// workSuffix marks a data directory that is being made.
const workSuffix = ".restoring"

// prepareRestore looks at where the database is to be, and makes the private folder.
func (r *Repository) prepareRestore(o *RestoreOptions) (*restoring, error) {
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, err
	}
	o.DataDir = dir
	if err := checkVacant(dir); err != nil {
		return nil, err
	}
	j := &restoring{r: r, o: o, work: dir + workSuffix, out: Restored{Repository: r.dir, DataDir: dir}}
	if err := checkLeftOver(j.work); err != nil {
		return nil, err
	}
	if j.account, err = r.serverAccount(dir); err != nil {
		return nil, err
	}
	for _, enter := range []string{filepath.Dir(dir), r.dir} {
		if ok, err := j.account.MayEnter(enter); err != nil || !ok {
			return nil, errors.Join(err, fmt.Errorf("account %s, which PostgreSQL runs as, may not enter %s: choose a folder that it may enter, or give it search permission (chmod o+x) on that and those above it", j.account.Name, enter))
		}
	}
	return j, j.makePrivate()
}

// serverAccount is who the restored database is to belong to, when this process is root: whoever has the empty folder, else
// whoever has the repository.
func (r *Repository) serverAccount(dir string) (*platform.Account, error) {
	account := platform.OwnerOf(dir)
	if account == nil {
		account = r.owner
	}
	if account == nil {
		var err error
		if account, err = platform.ServerAccount(); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(r.dir, identityFile)
	if ok, err := account.MayRead(path); err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("account %s, which PostgreSQL runs as, may not read %s, and so nothing of the archive: chown -R %s %s", account.Name, path, account.Name, r.dir))
	}
	return account, nil
}

// checkVacant wants nothing to be lost, and no server to run there.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if len(entries) == 0 {
		return nil
	}
	if pid := serverOn(dir); pid != 0 {
		return fmt.Errorf("%w: PostgreSQL (pid %d) runs on %s: stop it, and move that folder away; nothing is restored over a database", ErrOccupied, pid, dir)
	}
	return fmt.Errorf("%w: %s: move it away, or name another with --data-dir; nothing is restored over a database", ErrOccupied, dir)
}

// serverOn is the process of a server on a data directory, 0 if there seems to be none.
func serverOn(dir string) int {
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}

// checkLeftOver refuses where a restore was killed, or has found what somebody may want to look at.
func checkLeftOver(work string) error {
	if _, err := os.Lstat(work); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if pid := serverOn(work); pid != 0 {
		return fmt.Errorf("%w: another restore (server pid %d) is at work in %s", ErrOccupied, pid, work)
	}
	return fmt.Errorf("%w: %s is left of a restore that did not end well: remove it, then repeat", ErrOccupied, work)
}

// makePrivate makes the folder that only the server's account and root can enter, with what the server is started with.
func (j *restoring) makePrivate() (err error) {
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		if j.private, err = os.MkdirTemp(parent, "tiercache-restore-"); err != nil {
			return err
		}
		if ok, err := j.account.MayEnter(parent); err == nil && ok && len(j.private) < 80 {
			break
		}
		if err := os.Remove(j.private); err != nil {
			return err
		}
		j.private = ""
	}
	if j.private == "" {
		return fmt.Errorf("account %s, which PostgreSQL runs as, may enter neither %s nor /var/tmp: set TMPDIR to a folder that it may enter", j.account.Name, os.TempDir())
	}
	// Whoever reaches the socket is let in, and nobody else reaches it.
	for name, content := range map[string]string{"postgresql.conf": "", "pg_ident.conf": "", "pg_hba.conf": "local all all trust\n"} {
		if err := j.give(filepath.Join(j.private, name), []byte(content), 0o600); err != nil {
			return errors.Join(err, j.close())
		}
	}
	if err := j.account.Own(j.private); err != nil {
		return errors.Join(err, j.close())
	}
	return j.findProgram()
}

// findProgram copies this program to where the server's account can run it, if it cannot where it is.
func (j *restoring) findProgram() error {
	j.program = j.o.Program
	if ok, err := j.account.MayEnter(filepath.Dir(j.program)); err == nil && ok {
		return nil
	}
	content, err := os.ReadFile(j.program)
	if err != nil {
		return errors.Join(err, j.close())
	}
	j.program = filepath.Join(j.private, "tiercache")
	if err := j.give(j.program, content, 0o700); err != nil {
		return errors.Join(err, j.close())
	}
	return nil
}

func (j *restoring) give(path string, content []byte, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(path, content, mode), j.account.Own(path))
}

func (j *restoring) close() error { return os.RemoveAll(j.private) }

// checkReach refuses a log that has a gap, unless the target may lie before it: then PostgreSQL says so.
func (j *restoring) checkReach() error {
	e, reach := j.out.From, j.out.Reach
	j.o.Say("restoring %v", j.o.Target)
	j.o.Say("backup %s of %s, then %d segments of WAL on timeline %d, the last of %s", e.ID, e.Finished.Format(time.RFC3339), reach.Segments, reach.Timeline, stamp(reach.At))
	if len(reach.Missing) == 0 {
		return nil
	}
	gap := missing(e, reach)
	if j.o.Target == (Target{}) {
		return fmt.Errorf("%w. To restore what is before the gap, name a time", gap)
	}
	j.o.Say("warning: %v", gap)
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.UTC().Format(time.RFC3339)
}

// run does the work in j.work, and gives it its name in the end.
func (j *restoring) run(ctx context.Context) error {
	target, err := j.resolve(ctx)
	if err != nil {
		return err
	}
	if err := j.copyBase(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := checkManifest(ctx, j.account, j.out.From.PostgreSQL, j.work, j.o.Say); err != nil {
		return err
	}
	j.out.Verified = time.Since(began)
	if err := j.recover(ctx, target); err != nil {
		return err
	}
	if err := os.Remove(j.o.DataDir); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty one
		return err
	}
	if err := os.Rename(j.work, j.o.DataDir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(j.o.DataDir))
}

// recover replays the log on a server of its own and looks at the result.
func (j *restoring) recover(ctx context.Context, target []string) error {
	began := time.Now()
	s, err := j.start(ctx, target)
	if err != nil {
		return err
	}
	defer s.kill()
	if err := s.awaitPromotion(ctx); err != nil {
		return err
	}
	j.out.Replayed, began = time.Since(began), time.Now()
	j.out.LastCommit = s.printed.lastCommit()
	j.o.Say("replayed in %v; checking what is there", j.out.Replayed.Round(time.Millisecond))
	if j.out.Timeline, err = s.timeline(ctx); err != nil {
		return err
	}
	if j.out.Database, err = s.examine(ctx, j.out.From, j.o); err != nil {
		return err
	}
	j.out.Checked = time.Since(began)
	return s.stop(ctx)
}
