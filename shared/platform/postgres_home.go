package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sharedHome holds the clusters whose own folder their account may not enter.
const sharedHome = "/var/lib/tiercache"

// clusterHome is the folder that the cluster lies in: dir, or one below sharedHome when account may not
// enter dir (a repository in root's home folder). The file dir/location names the second, so that a
// restart finds it, and deleting dir starts anew.
func clusterHome(dir string, account *Account) (string, error) {
	ok, err := account.mayEnter(dir)
	if err != nil {
		return "", err
	}
	if ok {
		return dir, nil
	}
	location := filepath.Join(dir, "location")
	if content, err := os.ReadFile(location); err == nil {
		if home := strings.TrimSpace(string(content)); exists(home) {
			return home, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	home, err := newHome(dir)
	if err != nil {
		return "", fmt.Errorf("account %s, which PostgreSQL runs as, may not enter %s, and no folder for it could be made: %w (use --data-dir to name a folder that it may enter)",
			account.Name, dir, err)
	}
	return home, WriteFile(location, []byte(home+"\n"))
}

// newHome makes a folder below sharedHome for dir, in place of any that dir had before.
func newHome(dir string) (string, error) {
	if err := os.MkdirAll(sharedHome, 0o755); err != nil {
		return "", err
	}
	old, err := filepath.Glob(filepath.Join(sharedHome, "postgres-*", "owner"))
	if err != nil {
		return "", err
	}
	for _, owner := range old {
		content, err := os.ReadFile(owner)
		if err != nil || strings.TrimSpace(string(content)) != dir {
			continue
		}
		if err := os.RemoveAll(filepath.Dir(owner)); err != nil {
			return "", err
		}
	}
	home, err := os.MkdirTemp(sharedHome, "postgres-")
	if err != nil {
		return "", err
	}
	// Searchable, so that the account reaches the cluster in it; the cluster itself is its own alone.
	if err := os.Chmod(home, 0o711); err != nil {
		return "", err
	}
	return home, WriteFile(filepath.Join(home, "owner"), []byte(dir+"\n"))
}
