package token

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// FileName is the admin token's file in a data directory.
	FileName = "admin.token"

	// Variable is the environment variable that client commands take a token from.
	Variable = "TIERCACHE_TOKEN"

	// dataDirVariable and defaultDataDir say where a data directory is.
	dataDirVariable = "TIERCACHE_DATA_DIR"
	defaultDataDir  = "data"
)

// ErrNotFound says that a client command was given no token.
var ErrNotFound = errors.New("no token")

// Find returns the token that a client command shows: the explicit one, else the variable's, else the
// one in dataDir's admin.token. Errors: ErrNotFound, which says what to do, or the file's own.
func Find(explicit, dataDir string) (string, error) {
	if explicit != "" {
		return explicit, nil
	}
	if t := os.Getenv(Variable); t != "" {
		return t, nil
	}
	path := filepath.Join(dataDir, FileName)
	t, err := ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: give --token, set %s, or name with --data-dir the directory that has %s (%s does not exist)",
			ErrNotFound, Variable, FileName, path)
	}
	return t, err
}

// DataDir is the data directory unless a flag says otherwise: $TIERCACHE_DATA_DIR, else ./data.
func DataDir() string {
	if dir := os.Getenv(dataDirVariable); dir != "" {
		return dir
	}
	return defaultDataDir
}
