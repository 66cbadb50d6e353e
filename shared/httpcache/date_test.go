package httpcache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const nov94 = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT

func TestParseDate_RFC9110_5_6_7(t *testing.T) {
	valid := map[string]int64{
		"Sun, 06 Nov 1994 08:49:37 GMT":    nov94,
		"Sunday, 06-Nov-94 08:49:37 GMT":   nov94,
		"Sun Nov  6 08:49:37 1994":         nov94,
		"Sun Nov 16 08:49:37 1994":         nov94 + 10*86400,
		"sun, 06 nOV 1994 08:49:37 gmt":    nov94, // any case for caches: RFC 9111, 4.2
		"SUNDAY, 06-NOV-94 08:49:37 gmt":   nov94,
		" Sun, 06 Nov 1994 08:49:37 GMT\t": nov94,
		"Mon, 06 Nov 1994 08:49:37 GMT":    nov94, // a weekday, though not that day's
		"Thu, 01 Jan 1970 00:00:00 GMT":    0,
		"Wed, 31 Dec 1969 23:59:59 GMT":    -1,
		"Thu, 29 Feb 2024 00:00:00 GMT":    1709164800,
		"Sat, 31 Dec 2016 23:59:60 GMT":    1483228800, // leap second
	}
	for s, want := range valid {
		got, ok := ParseDate(s, time.Time{})
		if !ok || got != want {
			t.Errorf("%q: got %d %v, want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "0", "-1", "784111777", "GMT", "Sun, 06 Nov 1994", "08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37 AEST", "Sun, 06 Nov 1994 08:49:37 Z",
		"Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37GMT",
		"Sun 06 Nov 1994 08:49:37 GMT", "Sun; 06 Nov 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT", "Sun, 06/Nov/1994 08:49:37 GMT", "Sun, 06 11 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 084937 GMT",
		"Sun,06 Nov 1994 08:49:37 GMT", "Sun,  06 Nov 1994 08:49:37 GMT", "Sun, 06  Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994  08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT", "Sun,  6 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov  16 08:49:37 1994",
		"Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 November 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Wed, 29 Feb 2023 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov -994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT;", "\"Sun, 06 Nov 1994 08:49:37 GMT\"",
	} {
		if got, ok := ParseDate(s, time.Time{}); ok {
			t.Errorf("%q: accepted as %d", s, got)
		}
	}
}

func TestParseDate_TwoDigitYear_RFC9110_5_6_7(t *testing.T) {
	tests := []struct {
		two  string
		now  int
		want int
	}{
		{"94", 2026, 1994}, {"26", 2026, 2026}, {"76", 2026, 2076}, {"77", 2026, 1977}, {"00", 2026, 2000}, {"99", 1999, 1999},
		{"00", 1999, 2000}, {"49", 1999, 2049}, {"50", 1999, 1950}, {"10", 2080, 2110}, {"30", 2080, 2130}, {"31", 2080, 2031},
	}
	for _, tt := range tests {
		now := time.Date(tt.now, 6, 1, 0, 0, 0, 0, time.UTC)
		sec, ok := ParseDate("Monday, 01-Jan-"+tt.two+" 00:00:00 GMT", now)
		equal(t, tt.two, ok, true)
		equal(t, tt.two, time.Unix(sec, 0).UTC().Year(), tt.want)
	}
	sec, _ := ParseDate("Monday, 01-Jan-69 00:00:00 GMT", time.Time{})
	equal(t, "without a clock", time.Unix(sec, 0).UTC().Year(), 2069)
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sat, 31 Dec 2016 23:59:60 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 UTC", "", ",,,", "Mon, 31 Dec 9999 23:59:59 GMT", "Sun Nov",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseDate(s, time.Time{})
		if lower, also := ParseDate(strings.ToLower(s), time.Time{}); isASCII(s) && (also != ok || lower != got) {
			t.Fatalf("%q: case matters", s)
		}
		// What the standard library takes in exactly these formats, this package takes as the same time,
		// and the other way round; leap seconds and two-digit years are where the two differ.
		std, err := time.Parse(http.TimeFormat, s)
		if err == nil && strings.HasSuffix(s, " GMT") && len(s) == len(http.TimeFormat) && (!ok || got != std.Unix()) {
			t.Fatalf("%q: got %d %v, want %d", s, got, ok, std.Unix())
		}
		if !ok {
			return
		}
		if again, same := ParseDate(string(AppendDate(nil, got)), time.Time{}); !same || again != got {
			t.Fatalf("%q: %d does not come back from %s", s, got, AppendDate(nil, got))
		}
	})
}
