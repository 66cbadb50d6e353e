package platform

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Secret returns the content of the file at path, without the line end; when there is no file it writes
// one that only its owner may read, with the result of generate.
func Secret(path string, generate func() string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(content)) != "" {
		return strings.TrimSpace(string(content)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := generate()
	if err := WriteFile(path, []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return secret, nil
}

// RandomSecret is 32 random bytes that need no quoting in a URL, SQL or a configuration file.
func RandomSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// WriteFile replaces the file at path as a whole; only its owner may read it (0600).
func WriteFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	// A file that was left behind keeps its mode through WriteFile.
	if err := os.Chmod(next, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
