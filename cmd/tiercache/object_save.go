package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxLinks bounds a chain of symbolic links, as the kernel does.
const maxLinks = 40

// copyVerified copies the body and compares it with the digest that came with it.
func copyVerified(w io.Writer, resp *http.Response) error {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), resp.Body); err != nil {
		return fmt.Errorf("the object is not whole: %w", err)
	}
	want := resp.Header.Get("Repr-Digest")
	if got := "sha-256=:" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ":"; want != "" && want != got {
		return fmt.Errorf("the object is damaged: it has the digest %s instead of %s", got, want)
	}
	return nil
}

// saveVerified puts the object into a file. A regular one is replaced by a whole object, or stays as it is, and
// keeps its permissions; a new one gets those of the umask. A pipe or a device is written to.
func saveVerified(ctx context.Context, file string, resp *http.Response) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name a file", file)
	case !info.Mode().IsRegular():
		return writeThrough(ctx, file, resp)
	}
	target, err := followLinks(file)
	if err != nil {
		return err
	}
	return replaceVerified(target, info, resp)
}

// followLinks is the path that opening file leads to; what the last link names need not be there.
func followLinks(file string) (string, error) {
	for range maxLinks {
		target, err := os.Readlink(file)
		if err != nil {
			return file, nil // no link, or nothing
		}
		if !filepath.IsAbs(target) {
			// Not cleaned: what .. means behind a link to a folder is the kernel's to say.
			dir, _ := filepath.Split(file)
			target = dir + target
		}
		file = target
	}
	return "", fmt.Errorf("%s: too many links", file)
}

// replaceVerified writes beside the target and renames; before is what is there, or nil.
func replaceVerified(target string, before fs.FileInfo, resp *http.Response) (err error) {
	dir, _ := filepath.Split(target)
	f, err := os.OpenFile(dir+".tiercache-"+rand.Text(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // less the umask
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if before != nil {
		err = f.Chmod(before.Mode().Perm())
	}
	if err := errors.Join(err, copyVerified(f, resp), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}

// writeThrough writes to what is there. Opening a pipe takes until somebody reads it.
func writeThrough(ctx context.Context, file string, resp *http.Response) error {
	f, err := openExisting(ctx, file)
	if err != nil {
		return err
	}
	// A reader that has stopped reading must not keep a command that was interrupted; devices know no deadlines
	// and do not block.
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })()
	return errors.Join(copyVerified(f, resp), f.Close())
}

// openExisting opens for writing, until ctx ends: the goroutine is left behind then, as the process ends.
func openExisting(ctx context.Context, file string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.file, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
