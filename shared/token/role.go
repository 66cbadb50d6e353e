package token

import (
	"fmt"
	"strings"
)

// Role is a set of rights, one bit each. Admin implies every other right.
type Role uint8

// The rights that a token can carry.
const (
	Read Role = 1 << iota
	Write
	Purge
	Admin

	// All is every right there is.
	All = Read | Write | Purge | Admin
)

// Has reports whether r grants every right in need.
func (r Role) Has(need Role) bool { return r&Admin != 0 || r&need == need }

// roleNames is the order in which roles are listed.
func roleNames() [4]struct {
	role Role
	name string
} {
	return [4]struct {
		role Role
		name string
	}{{Read, "read"}, {Write, "write"}, {Purge, "purge"}, {Admin, "admin"}}
}

// String lists the rights, comma separated; "none" for the empty set.
func (r Role) String() string {
	var names []string
	for _, n := range roleNames() {
		if r&n.role != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

// ParseRole reads what String writes: a comma separated list of read, write, purge and admin.
func ParseRole(s string) (Role, error) {
	var r Role
	for part := range strings.SplitSeq(s, ",") {
		role, ok := roleByName(strings.ToLower(strings.TrimSpace(part)))
		if !ok {
			return 0, fmt.Errorf("unknown role %q: use read, write, purge or admin", part)
		}
		r |= role
	}
	return r, nil
}

func roleByName(name string) (Role, bool) {
	for _, n := range roleNames() {
		if n.name == name {
			return n.role, true
		}
	}
	return 0, false
}
