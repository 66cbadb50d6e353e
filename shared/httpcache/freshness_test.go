package httpcache

import (
	"testing"
	"time"
)

func TestLifetime_RFC9111_4_2_1(t *testing.T) {
	const day = 86400
	tests := []struct {
		rule   string
		header []string
		want   int64
	}{
		{"s-maxage before max-age", []string{"Cache-Control: max-age=10, s-maxage=20"}, 20},
		{"s-maxage 0 before max-age", []string{"Cache-Control: s-maxage=0, max-age=20"}, 0},
		{"max-age before Expires", []string{"Cache-Control: max-age=10", "Expires: " + date(99), "Date: " + date(0)}, 10},
		{"max-age before an old Expires", []string{"Cache-Control: max-age=10", "Expires: " + date(-99), "Date: " + date(0)}, 10},
		{"Expires minus Date", []string{"Expires: " + date(99), "Date: " + date(-1)}, 100},
		{"Expires minus Date, both in the future", []string{"Expires: " + date(7300), "Date: " + date(7200)}, 100},
		{"Expires before Date, both in the future", []string{"Expires: " + date(7100), "Date: " + date(7200)}, 0},
		{"Expires without Date counts from arrival", []string{"Expires: " + date(50)}, 50},
		{"Expires before a heuristic", []string{"Expires: 0", "Last-Modified: " + date(-1000)}, 0},
		{"heuristic is a tenth", []string{"Date: " + date(0), "Last-Modified: " + date(-1000)}, 100},
		{"heuristic below its bound", []string{"Date: " + date(0), "Last-Modified: " + date(10-10*day)}, day - 1},
		{"heuristic is bounded", []string{"Date: " + date(0), "Last-Modified: " + date(-11*day)}, day},
		{"Last-Modified after Date", []string{"Date: " + date(0), "Last-Modified: " + date(1000)}, 0},
		{"nothing at all", nil, 0},
		{"max-age of 2^31", []string{"Cache-Control: max-age=2147483648"}, 1 << 31},
		{"max-age of 2^63 saturates", []string{"Cache-Control: max-age=9223372036854775808"}, 1 << 31},
		{"max-age beyond any integer saturates", []string{"Cache-Control: max-age=99999999999999999999999999"}, 1 << 31},
		{"Expires in 300 years saturates", []string{"Date: " + date(0), "Expires: Sun, 06 Nov 2394 08:49:37 GMT"}, 1 << 31},
		{"immutable does not lengthen (RFC 8246)", []string{"Cache-Control: max-age=10, immutable"}, 10},
		{"no-cache does not change it", []string{"Cache-Control: max-age=10, no-cache"}, 10},
	}
	for _, tt := range tests {
		m := meta(tt.header...)
		equal(t, tt.rule, m.Lifetime(&Policy{}), sec(tt.want))
	}
}

func TestLifetime_InvalidExpiresIsStale(t *testing.T) {
	for _, v := range []string{
		"0", "-1", "", "never", "Sun, 06 Nov 2033 08:49:37 UTC", "Sun, 06 Nov 2033 08:49:37 AEST", "Sun, 06 Nov 2033 08:49:37 +0000",
		"Sun 06 Nov 2033 08:49:37 GMT", "Sun, 06 Nov 33 08:49:37 GMT", "Sun, 06-Nov-2033 08:49:37 GMT", "Sun, 06 Nov 2033 08.49.37 GMT",
		"Sun,  06 Nov 2033 08:49:37 GMT", "Sun, 06  Nov 2033 08:49:37 GMT", "Sun, 6 Nov 2033 08:49:37 GMT", "Sun, 06 Nov 2033 8:49:37 GMT",
		"Sun, 06 Nov 2033 08:49:37", "Sun, 31 Feb 2033 08:49:37 GMT", "Sun, 06 Nov 2033 08:49:37 GMT, Sun, 06 Nov 2033 08:49:37 GMT",
	} {
		m := meta("Date: "+date(0), "Last-Modified: "+date(-99999), "Expires: "+v)
		equal(t, "Expires: "+v, m.Lifetime(&Policy{}), 0)
	}
	twice := meta("Date: "+date(0), "Expires: "+date(60), "Expires: "+date(60))
	equal(t, "two lines", twice.Lifetime(&Policy{}), 0)
	dated := meta("Date: "+date(0), "Expires: "+date(60))
	equal(t, "valid", dated.Lifetime(&Policy{}), sec(60))
}

func TestLifetime_HeuristicStatus_RFC9110_15_1(t *testing.T) {
	cacheable := map[int]bool{200: true, 203: true, 204: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 501: true}
	h := head("Date: "+date(0), "Last-Modified: "+date(-1000))
	public := append(h.Clone(), head("Cache-Control: public")...)
	for status := 200; status < 600; status++ {
		want := time.Duration(0)
		if cacheable[status] {
			want = sec(100)
		}
		m := NewMeta(status, h, t0, t0)
		if got := m.Lifetime(&Policy{}); got != want {
			t.Errorf("status %d: heuristic lifetime %v, want %v", status, got, want)
		}
		if m := NewMeta(status, public, t0, t0); m.Lifetime(&Policy{}) != sec(100) {
			t.Errorf("status %d: public must allow a heuristic (RFC 9111, 4.2.2)", status)
		}
	}
}

func TestLifetime_HeuristicPolicy(t *testing.T) {
	m := meta("Date: "+date(0), "Last-Modified: "+date(-1000))
	equal(t, "on", m.Lifetime(&Policy{}), sec(100))
	equal(t, "off", m.Lifetime(&Policy{NoHeuristics: true}), 0)
}

func TestCurrentAge_RFC9111_4_2_3(t *testing.T) {
	tests := []struct {
		rule   string
		header []string
		delay  int64 // s between request and response
		later  int64 // s since the response arrived
		want   int64
	}{
		{"resident time", []string{"Date: " + date(0)}, 0, 7, 7},
		{"apparent age of a slow Date", []string{"Date: " + date(-30)}, 0, 5, 35},
		{"a fast Date is no negative age", []string{"Date: " + date(30)}, 0, 5, 5},
		{"received Age", []string{"Date: " + date(0), "Age: 100"}, 0, 5, 105},
		{"received Age and response delay", []string{"Date: " + date(0), "Age: 100"}, 3, 5, 108},
		{"the larger of the two", []string{"Date: " + date(-500), "Age: 100"}, 3, 5, 505},
		{"no Date counts from arrival", nil, 2, 5, 7},
		{"clock set back", []string{"Date: " + date(0)}, 0, -60, 0},
	}
	for _, tt := range tests {
		m := NewMeta(200, head(tt.header...), after(-tt.delay), t0)
		equal(t, tt.rule, m.CurrentAge(after(tt.later)), sec(tt.want))
	}
	arrived := t0.Add(900 * time.Millisecond)
	m := NewMeta(200, head("Date: "+date(0)), arrived, arrived)
	equal(t, "Date of this very second", m.CurrentAge(arrived), 0)
}

func TestReceivedAge_RFC9111_5_1(t *testing.T) {
	tests := []struct {
		value string
		want  int64
	}{
		{"7200", 7200}, {"0", 0}, {"007", 7}, {"7200.0", 0}, {"1.5", 0}, {"-7200", 0}, {"+7200", 0}, {"abc", 0}, {"7200s", 0}, {"a 7200", 0},
		{"", 0}, {"7200, 0", 7200}, {"0, 7200", 0}, {"7200;foo=bar", 0}, {`"7200"`, 0}, {"2147483648", 1 << 31},
		{"2147483649", 1 << 31}, {"99999999999999999999", 1 << 31},
	}
	for _, tt := range tests {
		m := meta("Age: " + tt.value)
		equal(t, "Age: "+tt.value, m.Age, tt.want)
	}
	equal(t, "first line", receivedAge(head("Age: 7", "Age: 9")), 7)

	old := meta("Cache-Control: max-age=99999999999", "Age: 2147483648")
	r := get()
	equal(t, "2^31 is stale under any max-age", Decide(&old, &r, t0, &Policy{}).Use, UseRevalidate)
}
