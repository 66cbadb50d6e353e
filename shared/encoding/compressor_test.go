package encoding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func plain(t *testing.T, coding Coding, r io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case Brotli:
		return brotli.NewReader(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

var codings = []Coding{Gzip, Brotli, Zstd}

func TestReader_Roundtrip(t *testing.T) {
	c := New(2)
	text := strings.Repeat("All happy families are alike; each unhappy family is unhappy in its own way. ", 20_000)
	for _, coding := range codings {
		for _, content := range []string{"", "x", text} { // twice by each encoder
			r, err := c.Reader(t.Context(), coding, io.NopCloser(strings.NewReader(content)))
			if err != nil {
				t.Fatal(err)
			}
			packed, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if len(content) > 1000 && len(packed) > len(content)/20 {
				t.Errorf("%s: %d bytes of %d", coding, len(packed), len(content))
			}
			if got, err := io.ReadAll(plain(t, coding, bytes.NewReader(packed))); string(got) != content || err != nil {
				t.Errorf("%s: %d bytes came back of %d: %v", coding, len(got), len(content), err)
			}
		}
	}
}

// failing yields some text, then an error.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = f.err
	}
	return n, err
}

func (f *failing) Close() error { return nil }

func TestReader_ACutBodyHasNoEnd(t *testing.T) {
	broken := errors.New("connection reset")
	for _, coding := range codings {
		r, err := New(1).Reader(t.Context(), coding, &failing{strings.NewReader(strings.Repeat("abc", 50_000)), broken})
		if err != nil {
			t.Fatal(err)
		}
		packed, err := io.ReadAll(r)
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", coding, err)
		}
		if len(packed) == 0 {
			continue // nothing to take for a whole
		}
		if _, err := io.ReadAll(plain(t, coding, bytes.NewReader(packed))); err == nil {
			t.Errorf("%s: what was cut decodes as a whole", coding)
		}
	}
}

// What a body has sent so far is passed on while it pauses.
func TestReader_PausesAreFlushed(t *testing.T) {
	for _, coding := range codings {
		synctest.Test(t, func(t *testing.T) {
			from, to := io.Pipe()
			r, err := New(1).Reader(t.Context(), coding, from)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var got bytes.Buffer
			done := make(chan error, 1)
			go func() {
				buf := make([]byte, 100)
				for {
					n, err := r.Read(buf)
					mu.Lock()
					got.Write(buf[:n])
					mu.Unlock()
					if err != nil {
						done <- err
						return
					}
				}
			}()
			for _, line := range []string{"first line\n", "second line\n"} {
				if _, err := io.WriteString(to, line); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // nothing more happens until the next line
				mu.Lock()
				so := append([]byte(nil), got.Bytes()...)
				mu.Unlock()
				text := make([]byte, 100)
				n, _ := io.ReadAtLeast(plain(t, coding, bytes.NewReader(so)), text, len("first line\n"))
				if !strings.HasPrefix(string(text[:n]), "first line\n") {
					t.Errorf("%s: %q is out after %q", coding, text[:n], line)
				}
			}
			_ = to.Close()
			if err := <-done; !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			_ = r.Close()
		})
	}
}

func TestCompressor_BoundsEncoders(t *testing.T) {
	c := New(1)
	first, err := c.Reader(t.Context(), Gzip, io.NopCloser(strings.NewReader("a")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Reader(ctx, Brotli, io.NopCloser(strings.NewReader("b"))); !errors.Is(err, context.Canceled) {
		t.Fatalf("a second encoder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("a closed body can be read")
	}
	second, err := c.Reader(t.Context(), Brotli, io.NopCloser(strings.NewReader("b")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(second); err != nil { // the end alone gives the encoder back
		t.Fatal(err)
	}
	third, err := c.Reader(ctx, Zstd, io.NopCloser(strings.NewReader("c")))
	if err == nil {
		_ = third.Close()
	} else if !errors.Is(err, context.Canceled) { // either of two ready cases is taken
		t.Fatal(err)
	}
	_ = second.Close()
}

// A body that never comes to an end does not keep who closes it.
func TestReader_CloseEndsAReadUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, _ := io.Pipe()
		r, err := New(1).Reader(t.Context(), Gzip, from)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}) // which fails when the goroutine is still there
}

func TestCompressible(t *testing.T) {
	for media, want := range map[string]bool{
		"text/html; charset=utf-8": true, "TEXT/CSS": true, "application/json": true, "application/problem+json": true, "image/svg+xml": true,
		"application/wasm": true, "text/event-stream": false, "image/png": false, "application/octet-stream": false, "video/mp4": false, "": false,
		"application/zip": false, "font/woff2": false,
	} {
		if got := Compressible(media); got != want {
			t.Errorf("%q: %v", media, got)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range codings {
		if got, ok := Parse(c.String()); got != c || !ok {
			t.Errorf("%s: %v, %v", c, got, ok)
		}
	}
	for _, name := range []string{"", "identity", "x-gzip", "deflate", "GZIP"} {
		if _, ok := Parse(name); ok {
			t.Errorf("%q is a coding", name)
		}
	}
	if _, err := New(1).Reader(t.Context(), Identity, nil); !errors.Is(err, ErrCoding) {
		t.Error(err)
	}
}

func BenchmarkReader(b *testing.B) {
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, and then over another one. "), 1400)
	for _, coding := range codings {
		b.Run(coding.String(), func(b *testing.B) {
			c := New(1)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := c.Reader(b.Context(), coding, io.NopCloser(bytes.NewReader(text)))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
}
