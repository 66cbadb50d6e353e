package bus

import (
	"errors"
	"fmt"
)

// Subjects. They are permissions: natsd gives each role the ones it needs, so a new one is added in
// both places.
const (
	// Root starts every subject of the platform; v1 is the version of the message forms.
	Root = "tiercache."

	// HelloRoot is followed by tier and node.
	HelloRoot = Root + "v1.hello."

	// LogRoot is followed by the tier that publishes entries of the control log.
	LogRoot = Root + "v1.log."

	// RenewRoot is followed by tier and node: heartbeats, which every control node answers, and reports.
	RenewRoot = Root + "v1.renew."

	// FetchRoot is followed by the tier that asks for entries that it missed; one control node answers.
	FetchRoot = Root + "v1.fetch."

	// AskRoot is followed by tier and node: what control asks a node, which alone answers.
	AskRoot = Root + "v1.ask."

	// inboxPrefix is followed by the role: one role cannot read another's replies.
	inboxPrefix = "_INBOX."

	// fetchQueue is the group of those who answer a fetch.
	fetchQueue = "control"
)

// maxName bounds a node's name, in bytes.
const maxName = 63

// ErrName says that a node's or tier's name cannot be part of a subject.
var ErrName = errors.New("bad name")

// ValidName reports whether a name can stand in a subject: 1 to 63 letters, digits, dashes and
// underscores. Node names must be valid.
func ValidName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%w %q: it has 1 to %d characters", ErrName, name, maxName)
	}
	for _, c := range []byte(name) {
		if !isNameByte(c) {
			return fmt.Errorf("%w %q: use letters, digits, - and _", ErrName, name)
		}
	}
	return nil
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// Inbox is the pattern of the subjects on which a role gets replies.
func Inbox(role string) string { return inboxPrefix + role + ".>" }
