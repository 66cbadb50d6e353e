package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Errors of the archive.
var (
	// ErrConflict: the archive has another file of that name.
	ErrConflict = errors.New("the archive has another content under this name")
	// ErrNotArchived: the archive has no file of that name. At the end of the log that is how it ends.
	ErrNotArchived = errors.New("the archive has no such file")
)

// archiveSuffix ends the names of archived files: NAME-SHA256.zst. So one rename gives a file both its name and what its
// content must be.
const archiveSuffix = ".zst"

// Archive keeps a file of the WAL, and returns when it is on the disk: PostgreSQL's archive_command, which may be called
// again for a file that it has seen before. A file that is there with the same content is left as it is. Errors:
// ErrConflict for one with another content, ErrOtherCluster.
func (r *Repository) Archive(path string) error {
	name := filepath.Base(path)
	if err := r.archive(path, name); err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	return nil
}

func (r *Repository) archive(path, name string) (err error) {
	if !walNames.MatchString(name) {
		return errName
	}
	source, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	unlock, err := r.lock(archiveLock, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := r.checkSource(source, name); err != nil {
		return err
	}
	kept, err := r.find(name)
	switch {
	case errors.Is(err, ErrNotArchived):
		return r.keep(source, name)
	case err != nil:
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, source); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digestOf(kept) {
		return fmt.Errorf("%w: %s is kept. Two servers archive to one repository, or one that was copied: give this one a repository of its own", ErrConflict, kept)
	}
	return nil
}

// checkSource looks at the first page of a segment: it must be a whole one, of the cluster that the repository is of.
func (r *Repository) checkSource(source *os.File, name string) error {
	if len(name) < 24 || strings.HasSuffix(name, ".backup") {
		return nil // a history, or a note
	}
	first := make([]byte, headerSize)
	if _, err := source.ReadAt(first, 0); err != nil {
		return fmt.Errorf("%s is no segment: %w", source.Name(), err)
	}
	h, err := parseHeader(first)
	if err != nil {
		return err
	}
	if err := h.checkPlace(name); err != nil {
		return err
	}
	if info, err := source.Stat(); err != nil || info.Size() != h.segmentSize {
		return errors.Join(err, fmt.Errorf("%s is not whole: a segment has %d bytes", source.Name(), h.segmentSize))
	}
	return r.adopt(h.system, h.segmentSize)
}

// keep writes a file under a name that nobody looks for, and renames it when it is on the disk. What a process has left that
// was killed meanwhile is removed by the next one.
func (r *Repository) keep(source io.Reader, name string) error {
	dir := r.folderOf(name)
	if err := r.makeDir(dir); err != nil {
		return err
	}
	f, err := r.create(filepath.Join(dir, "."+name+".new"))
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = compress(f, io.TeeReader(source, sum))
	return r.settle(f, filepath.Join(dir, name+"-"+hex.EncodeToString(sum.Sum(nil))+archiveSuffix), err)
}

func compress(to io.Writer, from io.Reader) error {
	z, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, from)
	return errors.Join(err, z.Close())
}

// folderOf has at most 4096 segments, of 64 GiB.
func (r *Repository) folderOf(name string) string {
	if len(name) < 24 {
		return r.walDir()
	}
	return filepath.Join(r.walDir(), name[:16])
}

// find is where a file is kept. Errors: ErrNotArchived.
func (r *Repository) find(name string) (string, error) {
	entries, err := os.ReadDir(r.folderOf(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err // an archive that cannot be read has not ended
	}
	var found []string
	for _, e := range entries {
		if nameOf(e.Name()) == name {
			found = append(found, filepath.Join(r.folderOf(name), e.Name()))
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %s", ErrNotArchived, name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: there are %s: two servers have archived to one repository, and one of them is wrong", ErrDamaged, strings.Join(found, " and "))
}

// nameOf is the WAL's name of an archived file; "" for a file that is none.
func nameOf(file string) string {
	name, digest, ok := strings.Cut(strings.TrimSuffix(file, archiveSuffix), "-")
	if !ok || !strings.HasSuffix(file, archiveSuffix) || len(digest) != 2*sha256.Size || !walNames.MatchString(name) {
		return ""
	}
	return name
}

func digestOf(path string) string {
	_, digest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), archiveSuffix), "-")
	return digest
}

// Fetch writes a file of the archive to target: PostgreSQL's restore_command. Errors: ErrNotArchived, which is how the
// log ends; whoever calls it must take any other error for no end of the log.
func (r *Repository) Fetch(name, target string) (err error) {
	if !walNames.MatchString(name) {
		return fmt.Errorf("fetch %s: %w", name, errName)
	}
	kept, err := r.find(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := errors.Join(unpack(f, kept), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("fetch %s: %w", name, err), os.Remove(target))
	}
	return nil
}

// unpack writes the content of an archived file to w and checks it against the file's name. Errors: ErrDamaged.
func unpack(w io.Writer, kept string) (err error) {
	f, err := os.Open(kept)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	sum := sha256.New()
	from := &reading{from: z}
	if _, err = io.Copy(io.MultiWriter(w, sum), from); from.err != nil {
		return fmt.Errorf("%w: %s cannot be unpacked (%w): take it from another copy of the repository", ErrDamaged, kept, from.err)
	}
	if err == nil && !bytes.Equal([]byte(hex.EncodeToString(sum.Sum(nil))), []byte(digestOf(kept))) {
		return fmt.Errorf("%w: %s has not the content that its name says: take it from another copy of the repository", ErrDamaged, kept)
	}
	return err
}

// reading remembers an error of what is read from, which is another matter than one of what is written to.
type reading struct {
	from io.Reader
	err  error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
