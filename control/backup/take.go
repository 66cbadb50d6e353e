package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"tiercache/shared/platform"
)

// ErrUnfit: the server cannot be backed up this way.
var ErrUnfit = errors.New("this server cannot be backed up so")

// TakeOptions say what to back up.
type TakeOptions struct {
	// Location is the URL of the database. Its role must be a superuser, or have REPLICATION.
	Location string
	// Keep is how many base backups are kept, this one among them; 0: all.
	Keep int
	// Version is this program's, for the catalogue.
	Version string
	// Say hears of progress; nil: nobody.
	Say func(format string, args ...any)
}

// Taken is a new base backup.
type Taken struct {
	*Entry
	// Removed are the backups, and how many files of the WAL, that were no longer to be kept.
	Removed    []string
	RemovedWAL int
	// Warnings are what an operator should know.
	Warnings []string
}

// Take makes a base backup, checks it against its manifest, and removes what is no longer to be kept. When it fails, or
// this process ends, nothing is kept of it. Errors: ErrOtherCluster, ErrBusy, ErrUnfit.
func (r *Repository) Take(ctx context.Context, o TakeOptions) (taken *Taken, err error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	unlock, err := r.lock(lockFile, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	source, err := openSource(ctx, o.Location)
	if err != nil {
		return nil, err
	}
	defer source.close()
	if err := r.adopt(source.system, source.segmentSize); err != nil {
		return nil, err
	}
	if err := r.clearParts(); err != nil {
		return nil, err
	}
	if err := r.checkRoom(source.bytes); err != nil {
		return nil, err
	}
	e, err := r.take(ctx, source, &o)
	if err != nil {
		return nil, err
	}
	taken = &Taken{Entry: e, Warnings: source.warnings}
	taken.Removed, taken.RemovedWAL, err = r.prune(o.Keep)
	return taken, err
}

// take makes the backup under a name that nobody looks for, and renames it.
func (r *Repository) take(ctx context.Context, source *source, o *TakeOptions) (e *Entry, err error) {
	e = &Entry{
		ID: time.Now().UTC().Format("20060102T150405Z"), Started: time.Now().UTC(), System: source.system, PostgreSQL: source.major,
		Database: source.database, Role: source.role, Made: o.Version,
	}
	part := r.folder(e.ID) + partSuffix
	if err := r.makeDir(part); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	data := filepath.Join(part, "data")
	o.Say("base backup of %s", humanize.IBytes(uint64(source.bytes)))
	if err := r.runBasebackup(ctx, source, data, o.Say); err != nil {
		return nil, err
	}
	if err := r.checkManifest(ctx, source.major, data, o.Say); err != nil {
		return nil, err
	}
	if err := source.head(ctx, e); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(data, "backup_manifest"))
	if err != nil {
		return nil, err
	}
	if err := e.describe(content); err != nil {
		return nil, err
	}
	if content, err = json.MarshalIndent(e, "", "  "); err != nil {
		return nil, err
	}
	if err := r.writeFile(filepath.Join(part, entryFile), append(content, '\n')); err != nil {
		return nil, err
	}
	if err := os.Rename(part, r.folder(e.ID)); err != nil {
		return nil, err
	}
	return e, syncDir(r.backupsDir())
}

func (r *Repository) runBasebackup(ctx context.Context, source *source, data string, say func(string, ...any)) error {
	path, err := platform.PostgresTool("pg_basebackup", source.major)
	if err != nil {
		return err
	}
	err = platform.RunTool(ctx, platform.Program{
		Name: "pg_basebackup", Path: path, Account: r.owner, Dir: r.dir, Env: platform.ToolEnv(source.secrets...),
		Args: []string{"--pgdata=" + data, "--dbname=" + source.bare, "--format=plain", "--wal-method=stream", "--checkpoint=fast",
			"--manifest-checksums=SHA256", "--label=tiercache", "--no-password", "--progress"},
	}, &progress{say: say})
	if err != nil && strings.Contains(err.Error(), "No space left on device") {
		err = errors.Join(err, noRoom(r.dir, syscall.ENOSPC))
	}
	return err
}

// progress reads what pg_basebackup prints once a second: "12345/67890 kB (18%), 0/1 tablespace".
type progress struct{ say func(string, ...any) }

var progressLine = regexp.MustCompile(`(\d+)/(\d+) kB \((\d+)%\)`)

func (p *progress) Write(b []byte) (int, error) {
	if all := progressLine.FindAllSubmatch(b, -1); len(all) > 0 {
		last := all[len(all)-1]
		done, _ := strconv.ParseUint(string(last[1]), 10, 64) // digits
		total, _ := strconv.ParseUint(string(last[2]), 10, 64)
		p.say("base backup: %s of %s (%s%%)", humanize.IBytes(done<<10), humanize.IBytes(total<<10), last[3])
	}
	return len(b), nil
}

// checkManifest has pg_verifybackup compare all files with the manifest, and read the WAL that the backup needs.
func (r *Repository) checkManifest(ctx context.Context, major, data string, say func(string, ...any)) error {
	return checkManifest(ctx, r.owner, major, data, say)
}

func checkManifest(ctx context.Context, account *platform.Account, major, data string, say func(string, ...any)) error {
	path, err := platform.PostgresTool("pg_verifybackup", major)
	if err != nil {
		return err
	}
	say("checking each file against the manifest")
	err = platform.RunTool(ctx, platform.Program{
		Name: "pg_verifybackup", Path: path, Args: []string{"--quiet", data}, Account: account, Dir: filepath.Dir(data), Env: platform.ToolEnv(),
	}, nil)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: the backup in %s: %w", ErrDamaged, data, err)
	}
	return err
}

// checkRoom refuses before hours of work what cannot fit.
func (r *Repository) checkRoom(bytes int64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(r.dir, &fs); err != nil {
		return fmt.Errorf("repository: %w", err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < bytes {
		return fmt.Errorf("the database has %s, and %s has room for %s: make room, or name another repository",
			humanize.IBytes(uint64(bytes)), r.dir, humanize.IBytes(uint64(free)))
	}
	return nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
