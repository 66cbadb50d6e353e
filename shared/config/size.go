package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. It is written as a whole number with an optional unit: B, KB, MB, GB, TB
// (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), in any case, with or without a space.
type Size int64

// sizeUnit is one way to write a multiple of bytes.
type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits lists the units, the largest first and binary before decimal, so that String finds the
// shortest exact form.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// ParseSize reads what the type's comment describes.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "KMGTIBkmgtib ")
	unit := strings.TrimSpace(s[len(digits):])
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a size: write a whole number of bytes or with a unit, such as 64MiB or 2GB", s)
	}
	if unit == "" {
		return Size(n), nil
	}
	for _, u := range sizeUnits() {
		if !strings.EqualFold(u.name, unit) {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("size %q is too large", s)
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size: unknown unit %q, use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB", s, unit)
}

// String writes the size in the largest unit that has no remainder, so that ParseSize reads it back.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if n := int64(s); n >= u.bytes && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalText is ParseSize for decoders.
func (s *Size) UnmarshalText(text []byte) error {
	parsed, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// MarshalText is String for encoders.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
