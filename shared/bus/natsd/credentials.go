package natsd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// ErrSeed says that a seed file does not hold the seed of a NATS user.
var ErrSeed = errors.New("not the seed of a NATS user")

// SeedFile is the file in dir with the secret seed of a role.
func SeedFile(dir, role string) string { return filepath.Join(dir, role+".seed") }

// PublicKeyFile is the file in dir with the public key of a role.
func PublicKeyFile(dir, role string) string { return filepath.Join(dir, role+".pub") }

// GenerateCredentials makes sure that dir, which it creates, holds a seed (mode 0600) and the matching
// public key for each of Roles. Seeds that are there are kept: nodes may be using them. It returns the
// public keys by role. Errors: ErrSeed for a file that is damaged, which is never overwritten.
func GenerateCredentials(dir string) (map[string]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("nats credentials: %w", err)
	}
	keys := make(map[string]string)
	for _, role := range Roles() {
		public, err := ensureKey(dir, role)
		if err != nil {
			return nil, fmt.Errorf("nats credentials of %s: %w", role, err)
		}
		keys[role] = public
	}
	return keys, nil
}

// ensureKey returns the public key of a role whose files are there afterwards.
func ensureKey(dir, role string) (string, error) {
	pair, err := readSeed(SeedFile(dir, role))
	if errors.Is(err, os.ErrNotExist) {
		pair, err = createSeed(SeedFile(dir, role))
	}
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	return public, writeFile(PublicKeyFile(dir, role), []byte(public+"\n"), 0o644)
}

func readSeed(path string) (nkeys.KeyPair, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed(bytes.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove the file to get a new one", path, ErrSeed)
	}
	if public, err := pair.PublicKey(); err != nil || !nkeys.IsValidPublicUserKey(public) {
		return nil, fmt.Errorf("%s: %w: remove the file to get a new one", path, ErrSeed)
	}
	return pair, nil
}

func createSeed(path string) (nkeys.KeyPair, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	return pair, writeFile(path, append(seed, '\n'), 0o600)
}

// writeFile replaces a file in one step, so that a crash leaves the old one or the new one.
func writeFile(path string, content []byte, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
