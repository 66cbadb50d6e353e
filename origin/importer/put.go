package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"tiercache/origin/client"
)

// Pauses between attempts to store one object, together above the time that a database takes to restart.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	attempts   = 9
)

// sniffSize is how much of a file its type is guessed from.
const sniffSize = 512

// put sends the item's object unless it is there; it reports whether it did, and the size.
func (im *importer) put(ctx context.Context, it item) (sent bool, size int64, err error) {
	f, err := im.root.Open(it.file)
	if err != nil {
		return false, 0, fmt.Errorf("%w: %w", errLocal, err)
	}
	defer func() { _ = f.Close() }() // read only
	sum, head, size, err := inspect(f)
	if err != nil {
		return false, 0, fmt.Errorf("%w: %w", errLocal, err)
	}
	tags, err := tags(im.opts.Tags, it.file)
	if err != nil {
		return false, 0, err
	}
	want := stored{
		digest:       hex.EncodeToString(sum),
		contentType:  TypeOf(it.file, head),
		cacheControl: im.opts.CacheControl,
		tags:         tags,
	}
	if im.there[it.path] == want {
		return false, size, nil
	}
	return true, size, im.send(ctx, f, client.PutRequest{
		Host: im.opts.Host, Path: it.path, Size: size, SHA256: sum,
		Fields: map[string]string{"Content-Type": want.contentType, "Cache-Control": want.cacheControl, "Surrogate-Key": want.tags},
	})
}

// inspect reads the file once: its digest, its first bytes and its size.
func inspect(f *os.File) (sum, head []byte, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, 0, errors.New("it is no longer a regular file")
	}
	h := sha256.New()
	head = make([]byte, sniffSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, 0, err
	}
	head = head[:n]
	h.Write(head)
	rest, err := io.Copy(h, f)
	return h.Sum(nil), head, int64(n) + rest, err
}

// send repeats the request while the origin is away. The digest travels with it, so a file that changes
// meanwhile is refused instead of stored half old and half new.
func (im *importer) send(ctx context.Context, f *os.File, req client.PutRequest) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("%w: %w", errLocal, err)
		}
		body := &exactly{file: f, left: req.Size}
		req.Body = body
		_, err := im.client.Put(ctx, req)
		if body.err != nil {
			return body.err
		}
		if err == nil || attempt == attempts || !passes(err) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*2, lastPause)
	}
}

// exactly reads the size that was announced, and tells a file that fails from an origin that does.
type exactly struct {
	file io.Reader
	left int64
	err  error
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.file.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it became shorter meanwhile")
		}
		e.err = fmt.Errorf("%w: %w", errLocal, err)
		return n, e.err
	}
	return n, nil
}

// passes reports whether the error may go away by itself: no answer at all, or 503.
func passes(err error) bool {
	var answer *client.Error
	return !errors.As(err, &answer) || answer.Status == http.StatusServiceUnavailable
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
