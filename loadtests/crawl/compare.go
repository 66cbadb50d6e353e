package crawl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// errDiffers: the response's body is not the file.
var errDiffers = errors.New("body differs from the file")

// compare fetches target and reads it against the file, in constant memory.
func (c *crawler) compare(ctx context.Context, target, path string) (n int64, status string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "no request", err
	}
	request.Host = c.cfg.Host
	response, err := c.client.Do(request)
	if err != nil {
		return 0, "no response", err
	}
	defer response.Body.Close()
	status = summary(response.Header.Values("Cache-Status"))
	if response.StatusCode != http.StatusOK {
		return 0, status, fmt.Errorf("status %s", response.Status)
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, status, err
	}
	defer file.Close()
	n, err = same(response.Body, file)
	return n, status, err
}

// same reads both to the end and returns how many bytes they share.
func same(got, want io.Reader) (n int64, err error) {
	expected := bufio.NewReader(want)
	gotPart, wantPart := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		read, readErr := got.Read(gotPart)
		if _, err := io.ReadFull(expected, wantPart[:read]); err != nil || !bytes.Equal(gotPart[:read], wantPart[:read]) {
			return n, fmt.Errorf("%w near byte %d", errDiffers, n)
		}
		n += int64(read)
		if errors.Is(readErr, io.EOF) {
			if _, err := expected.ReadByte(); !errors.Is(err, io.EOF) {
				return n, fmt.Errorf("%w: it ends after %d bytes", errDiffers, n)
			}
			return n, nil
		}
		if readErr != nil {
			return n, fmt.Errorf("read body after %d bytes: %w", n, readErr)
		}
	}
}

// summary keeps of each member of Cache-Status who speaks and whether it hit or why it forwarded.
func summary(lines []string) string {
	if len(lines) == 0 {
		return "no Cache-Status"
	}
	var members []string
	for member := range strings.SplitSeq(strings.Join(lines, ", "), ",") {
		parts := strings.Split(member, ";")
		said := strings.TrimSpace(parts[0])
		for _, p := range parts[1:] {
			if p = strings.TrimSpace(p); p == "hit" || strings.HasPrefix(p, "fwd=") || p == "collapsed" {
				said += " " + p
			}
		}
		members = append(members, said)
	}
	return strings.Join(members, ", ")
}
