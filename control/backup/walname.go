package backup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// walNames are the files that PostgreSQL archives: segments, the part of one with which a timeline ended, notes of base
// backups, and histories of timelines.
var walNames = regexp.MustCompile(`^([0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history)$`)

// errName says that a file is none of the WAL.
var errName = errors.New("it is no file of the write-ahead log: PostgreSQL archives names such as 000000010000000000000003 and 00000002.history")

// segment is a whole segment of the WAL.
type segment struct {
	timeline uint32
	number   uint64 // of the segment, counted from the beginning of the WAL
}

// segmentOf reads the name of a segment of that size; false for other files.
func segmentOf(name string, size int64) (segment, bool) {
	if len(name) != 24 || !walNames.MatchString(name) {
		return segment{}, false
	}
	timeline, _ := strconv.ParseUint(name[:8], 16, 32) // of digits, by the expression
	log, _ := strconv.ParseUint(name[8:16], 16, 32)
	low, _ := strconv.ParseUint(name[16:], 16, 32)
	return segment{uint32(timeline), log*perLog(size) + low}, true
}

// perLog is how many segments have the same middle part in their names.
func perLog(size int64) uint64 { return uint64(1<<32) / uint64(size) }

func (s segment) name(size int64) string {
	return fmt.Sprintf("%08X%08X%08X", s.timeline, s.number/perLog(size), s.number%perLog(size))
}

// LSN is a place in the WAL.
type LSN uint64

// String is the form that PostgreSQL prints.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// MarshalText implements encoding.TextMarshaler.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LSN) UnmarshalText(text []byte) error {
	high, low, ok := strings.Cut(string(text), "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	n, errLow := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(errHigh, errLow); !ok || err != nil {
		return fmt.Errorf("%q is no place in the WAL, such as 0/3000158", text)
	}
	*l = LSN(h<<32 | n)
	return nil
}

func (l LSN) segment(size int64) uint64 { return uint64(l) / uint64(size) }

// headerSize is how much of a segment its first page's header takes (XLogLongPageHeaderData).
const headerSize = 40

// header is what the first page of a segment says of it.
type header struct {
	timeline    uint32
	address     LSN
	system      uint64
	segmentSize int64
}

const longHeader = 0x0002 // XLP_LONG_HEADER

// parseHeader reads the first bytes of a segment. PostgreSQL writes them in the machine's own order: archives are of
// little-endian machines here, as all that this program is built for.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || binary.LittleEndian.Uint16(b[2:])&longHeader == 0 {
		return header{}, errors.New("it does not begin as a segment of the WAL does")
	}
	h := header{
		timeline:    binary.LittleEndian.Uint32(b[4:]),
		address:     LSN(binary.LittleEndian.Uint64(b[8:])),
		system:      binary.LittleEndian.Uint64(b[24:]),
		segmentSize: int64(binary.LittleEndian.Uint32(b[32:])),
	}
	if h.segmentSize < 1<<20 || h.segmentSize > 1<<30 || h.segmentSize&(h.segmentSize-1) != 0 {
		return header{}, fmt.Errorf("it says that segments have %d bytes", h.segmentSize)
	}
	return h, nil
}

// checkPlace wants a segment to have the place in the WAL that its name says. A file that PostgreSQL has ready for later
// has the content of an older one. The first segment of a timeline begins with pages of the one before.
func (h header) checkPlace(name string) error {
	s, ok := segmentOf(name[:24], h.segmentSize)
	if !ok || h.address != LSN(s.number*uint64(h.segmentSize)) || h.timeline > s.timeline {
		return fmt.Errorf("its content is of %v on timeline %d, and not of the place that it is named for: PostgreSQL has not written it yet", h.address, h.timeline)
	}
	return nil
}
