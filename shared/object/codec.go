package object

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of decoding. Either way the value is of no use and is treated as a miss.
var (
	// ErrCorrupt: the bytes are damaged, cut short, or not what they should be.
	ErrCorrupt = errors.New("object: corrupt")
	// ErrVersion: another release wrote this, in a format that this one does not
	// read.
	ErrVersion = errors.New("object: unknown version")
)

// Every value begins with three bytes that say what it is and one that says in
// which version of the format. All numbers are little-endian.
const (
	magicEntry   = "TCE"
	magicSegment = "TCS"
	magicSize    = 4
	version1     = 1
	checksumSize = 8
)

// order is the byte order of all numbers in stored values.
var order = binary.LittleEndian

// readVersion checks what a value is and returns its format's version.
func readVersion(b []byte, magic string) (byte, error) {
	if len(b) < magicSize || string(b[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: no %s value", ErrCorrupt, magic)
	}
	return b[len(magic)], nil
}
