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

// home is where a cluster lies.
type home struct {
	// dir is the data folder's own, or one below sharedHome.
	dir string
	// others, when dir was just made, hold clusters that were made for a data folder of the same path.
	// They are somebody's data, moved aside or deleted but for them: nothing here removes them.
	others []string
}

// findHome says where the cluster of dir lies or, when there is none yet, will lie: in dir, or in a folder
// below sharedHome when account may not enter dir (a repository in root's home folder). The file
// dir/location names the second.
//
// INVARIANT: a cluster that was made for dir is found again, or there is an error. What account may enter
// can change between two starts, so what is there decides before what would be made now.
func findHome(dir string, account *Account) (home, error) {
	if named, err := namedHome(dir); named != "" || err != nil {
		return home{dir: named}, err
	}
	data := filepath.Join(dir, "data")
	if owner := ownerOf(data); owner != nil {
		account = owner
	}
	ok, err := account.mayEnter(dir)
	if err != nil {
		return home{}, err
	}
	if ok {
		return home{dir: dir}, nil
	}
	if exists(data) {
		return home{}, fmt.Errorf("account %s, which PostgreSQL runs as, may no longer enter %s, where the database lies: give it search permission (chmod o+x) on that folder and those above it",
			account.Name, data)
	}
	made, err := newHome(dir)
	if err != nil {
		return home{}, fmt.Errorf("account %s, which PostgreSQL runs as, may not enter %s, and no folder for it could be made: %w (use --data-dir to name a folder that it may enter)",
			account.Name, dir, err)
	}
	return made, nil
}

func locationFile(dir string) string { return filepath.Join(dir, "location") }

// namedHome is the folder that the location file of dir names, empty when there is no such file. One that
// names a folder that is gone is an error: to start with an empty database there is for somebody to decide.
func namedHome(dir string) (string, error) {
	content, err := os.ReadFile(locationFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	named := strings.TrimSpace(string(content))
	if info, err := os.Stat(named); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s says that the database lies in %q, which is not there: put that folder back or, to start with an empty database, delete %s",
			locationFile(dir), named, dir)
	}
	return named, nil
}

// newHome makes a folder below sharedHome for dir, and names it in dir's location file.
func newHome(dir string) (home, error) {
	if err := os.MkdirAll(sharedHome, 0o755); err != nil {
		return home{}, err
	}
	others, err := homesOf(dir)
	if err != nil {
		return home{}, err
	}
	made, err := os.MkdirTemp(sharedHome, "postgres-")
	if err != nil {
		return home{}, err
	}
	// Searchable, so that the account reaches the cluster in it; the cluster itself is its own alone.
	if err := os.Chmod(made, 0o711); err != nil {
		return home{}, err
	}
	if err := WriteFile(filepath.Join(made, "owner"), []byte(dir+"\n")); err != nil {
		return home{}, err
	}
	return home{dir: made, others: others}, WriteFile(locationFile(dir), []byte(made+"\n"))
}

// homesOf are the folders below sharedHome that have a cluster and were made for a data folder at dir. That
// folder may have been moved since, and lead to its home from where it is now.
func homesOf(dir string) ([]string, error) {
	owners, err := filepath.Glob(filepath.Join(sharedHome, "postgres-*", "owner"))
	if err != nil {
		return nil, err
	}
	var homes []string
	for _, owner := range owners {
		folder := filepath.Dir(owner)
		content, err := os.ReadFile(owner)
		if err != nil || strings.TrimSpace(string(content)) != dir || !exists(filepath.Join(folder, "data")) {
			continue
		}
		homes = append(homes, folder)
	}
	return homes, nil
}
