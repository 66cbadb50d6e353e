package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is an unprivileged user that servers run as when this process is root: PostgreSQL refuses
// root, and nothing else needs it. A nil Account is this process's own user.
type Account struct {
	Name     string
	uid, gid uint32
}

// unprivileged picks the first of names that exists, then nobody; nil when this process is not root.
func unprivileged(names ...string) (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range append(names, "nobody") {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &Account{Name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("running as root, and none of the accounts %v nobody exists to run servers as", names)
}

// ownerOf is the account that path belongs to, when this process is root and path is there and not root's:
// servers go on as whoever made their data.
func ownerOf(path string) *Account {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	name := strconv.FormatUint(uint64(stat.Uid), 10)
	if found, err := user.LookupId(name); err == nil {
		name = found.Username
	}
	return &Account{Name: name, uid: stat.Uid, gid: stat.Gid}
}

func (a *Account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives path to a.
func (a *Account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// mayEnter says whether a can reach dir: whether it may pass dir and each folder above it. Parts that do
// not exist yet count as ours to make.
func (a *Account) mayEnter(dir string) (bool, error) {
	if a == nil {
		return true, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err == nil && !a.mayPass(info) {
			return false, nil
		}
		if dir == filepath.Dir(dir) {
			return true, nil
		}
	}
}

// mayPass reads the search permission by the class that applies to a: owner, group or others.
func (a *Account) mayPass(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case stat.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case stat.Gid == a.gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}

// IDs are the account's numeric user and group.
func (a *Account) IDs() (uid, gid int) { return int(a.uid), int(a.gid) }

// ServerAccount is the account that servers run as; nil when this process is not root.
func ServerAccount() (*Account, error) { return unprivileged("postgres") }

// OwnerOf is the account that path belongs to, when this process is root and path is there and not root's; else nil.
func OwnerOf(path string) *Account { return ownerOf(path) }

// Own gives path to the account; a nil one leaves it as it is.
func (a *Account) Own(path string) error { return a.own(path) }

// MayEnter says whether the account, nil for this process, may pass dir and each folder above it.
func (a *Account) MayEnter(dir string) (bool, error) { return a.mayEnter(dir) }

// MayRead says whether the account, nil for this process, may read the file at path, by the file's own mode.
func (a *Account) MayRead(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil || a == nil {
		return err == nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case !ok:
		return false, nil
	case stat.Uid == a.uid:
		return mode&0o400 != 0, nil
	case stat.Gid == a.gid:
		return mode&0o040 != 0, nil
	default:
		return mode&0o004 != 0, nil
	}
}

// ServersMayEnter says whether the account that servers run as can reach dir.
func ServersMayEnter(dir string) (bool, error) {
	account, err := unprivileged("postgres")
	if err != nil {
		return false, err
	}
	return account.mayEnter(dir)
}
