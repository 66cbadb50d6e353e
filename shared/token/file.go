package token

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile bounds a secret's file, in bytes.
const maxFile = 4 << 10

// ReadFile returns the secret in a file, without white space around it. It refuses an empty file, a
// file above 4 KiB and one with several lines. The errors name the file and never its content.
func ReadFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing is lost
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	switch {
	case len(b) > maxFile:
		return "", fmt.Errorf("read secret %s: the file is larger than %d bytes", path, maxFile)
	case secret == "":
		return "", fmt.Errorf("read secret %s: the file is empty", path)
	case strings.ContainsAny(secret, "\r\n"):
		return "", fmt.Errorf("read secret %s: the file has more than one line", path)
	}
	return secret, nil
}
