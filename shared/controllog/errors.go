package controllog

import "errors"

// Errors of following the log.
var (
	// ErrGap: entries are missing before the one given, or it came as a hint; they must be fetched.
	ErrGap = errors.New("entries of the control log are missing")
	// ErrReset: what was applied is not on the log's chain; it is a branch that was lost. The replica must be
	// restored from an image.
	ErrReset = errors.New("what was applied is not in the control log any more")
	// ErrBranch: what was applied has the same numbers as the log and is not the same: the log has branched. The
	// replica must be restored from an image, and what was stamped before is dead.
	ErrBranch = errors.New("what was applied is another branch of the control log")
	// ErrOldImage: an image is older than what was applied.
	ErrOldImage = errors.New("the image is older than what was applied")
	// ErrAboveHead: no entry has that epoch yet.
	ErrAboveHead = errors.New("the epoch is above the head of the control log")
	// ErrBehind: the node could not catch up in time.
	ErrBehind = errors.New("the node is behind the control log")
	// ErrCorrupt: bytes are damaged, cut short, or not what they should be.
	ErrCorrupt = errors.New("controllog: corrupt")
	// ErrVersion: another release wrote this, in a format that this one does not read.
	ErrVersion = errors.New("controllog: unknown version")
)
