package archtest

import (
	"cmp"
	"fmt"
	"slices"
)

// Violation is one breach of a rule.
type Violation struct {
	Path string // relative to the module's root
	Line int    // 0 when it is about the whole file or folder
	Rule string // short name of the rule
	Why  string // what is wrong and what the rule is for
}

func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", v.Path, v.Line, v.Rule, v.Why)
}

// Check reads the module at root and returns every breach, by place. The error is about reading: a
// file that does not parse, a module without a name.
func Check(root string) ([]Violation, error) {
	tree, err := load(root)
	if err != nil {
		return nil, err
	}
	promises, err := tree.checkPromises(root)
	if err != nil {
		return nil, err
	}
	found := slices.Concat(
		promises,
		tree.checkTopLevel(),
		tree.checkDirections(),
		tree.checkVendors(),
		tree.checkSignatures(),
		tree.checkPure(),
		tree.checkHabits(),
		tree.checkState(),
	)
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Why, b.Why))
	})
	return found, nil
}
