package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
)

// copyBase copies the base backup to where it is restored. PostgreSQL sees to it that all of it is on the disk before
// it replays anything.
func (j *restoring) copyBase(ctx context.Context) error {
	began := time.Now()
	c := &copying{j: j, total: j.out.From.Bytes, said: began}
	from := j.r.data(j.out.From.ID)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return c.one(path, filepath.Join(j.work, relative), d)
	})
	if err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	j.out.Copied = time.Since(began)
	return nil
}

type copying struct {
	j           *restoring
	done, total int64
	said        time.Time
}

func (c *copying) one(from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
	case d.Type().IsRegular():
		n, err := copyFile(from, to)
		if err != nil {
			return err
		}
		c.done += n
	default:
		return fmt.Errorf("%w: %s is neither a file nor a folder", ErrDamaged, from)
	}
	if time.Since(c.said) > time.Second {
		c.said = time.Now()
		c.j.o.Say("copied %s of %s", humanize.IBytes(uint64(c.done)), humanize.IBytes(uint64(c.total)))
	}
	return c.j.account.Own(to)
}

func copyFile(from, to string) (n int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, in)
	return n, errors.Join(err, out.Close())
}
