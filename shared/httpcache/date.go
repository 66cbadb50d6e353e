package httpcache

import (
	"strings"
	"time"
)

// pivotYear is the year that two-digit years are read against when no better one is known: they then
// mean 1970 to 2069.
const pivotYear = 2019

// ParseDate reads an HTTP-date in any of its three formats (RFC 9110, 5.6.7) as Unix seconds. Names
// match in any case (RFC 9111, 4.2); everything else is exact: one space, leading zeros, GMT and no
// other zone. now is what a two-digit year is read against; the zero time stands for 2019. The name of
// the weekday must be one, but not that day's.
func ParseDate(s string, now time.Time) (sec int64, ok bool) {
	if now.IsZero() {
		return parseDate(s, pivotYear)
	}
	return parseDate(s, now.UTC().Year())
}

// AppendDate appends sec (Unix seconds) as an IMF-fixdate.
func AppendDate(dst []byte, sec int64) []byte {
	return time.Unix(sec, 0).UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
}

func parseDate(s string, year int) (int64, bool) {
	p := dateParser{s: trim(s), year: year}
	switch comma := strings.IndexByte(p.s, ','); {
	case comma == 3:
		p.fixdate()
	case comma > 3:
		p.rfc850()
	default:
		p.asctime()
	}
	if p.failed || p.s != "" {
		return 0, false
	}
	return p.unix()
}

// dateParser takes a date from the front of s, part by part. After a fault it takes nothing more.
type dateParser struct {
	s                 string
	year              int // the reference for a two-digit year, then the year read
	month, day        int
	hour, minute, sec int
	failed            bool
}

// fixdate: Sun, 06 Nov 1994 08:49:37 GMT
func (p *dateParser) fixdate() {
	p.name(weekdays, 3)
	p.text(", ")
	p.day = p.digits(2)
	p.text(" ")
	p.month = p.name(months, 3)
	p.text(" ")
	p.year = p.digits(4)
	p.text(" ")
	p.time()
	p.text(" GMT")
}

// rfc850: Sunday, 06-Nov-94 08:49:37 GMT
func (p *dateParser) rfc850() {
	p.name(weekdays, 0)
	p.text(", ")
	p.day = p.digits(2)
	p.text("-")
	p.month = p.name(months, 3)
	p.text("-")
	p.year = expandYear(p.digits(2), p.year)
	p.text(" ")
	p.time()
	p.text(" GMT")
}

// asctime: Sun Nov  6 08:49:37 1994
func (p *dateParser) asctime() {
	p.name(weekdays, 3)
	p.text(" ")
	p.month = p.name(months, 3)
	p.text(" ")
	if strings.HasPrefix(p.s, " ") {
		p.text(" ")
		p.day = p.digits(1)
	} else {
		p.day = p.digits(2)
	}
	p.text(" ")
	p.time()
	p.text(" ")
	p.year = p.digits(4)
}

func (p *dateParser) time() {
	p.hour = p.digits(2)
	p.text(":")
	p.minute = p.digits(2)
	p.text(":")
	p.sec = p.digits(2)
}

// expandYear reads two digits as the year that is not more than 50 years after now (RFC 9110, 5.6.7).
func expandYear(two, now int) int {
	year := now - now%100 + two
	if year+100 <= now+50 {
		return year + 100
	}
	if year > now+50 {
		return year - 100
	}
	return year
}

func (p *dateParser) digits(n int) int {
	if p.failed || len(p.s) < n {
		p.failed = true
		return 0
	}
	value := 0
	for i := range n {
		if !isDigit(p.s[i]) {
			p.failed = true
			return 0
		}
		value = value*10 + int(p.s[i]-'0')
	}
	p.s = p.s[n:]
	return value
}

// text takes exactly that text, in any case.
func (p *dateParser) text(want string) {
	if p.failed || len(p.s) < len(want) || !strings.EqualFold(p.s[:len(want)], want) {
		p.failed = true
		return
	}
	p.s = p.s[len(want):]
}

var (
	weekdays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	months   = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

// name takes the first n letters of one of names, all of them when n is 0, and gives its number from 1.
func (p *dateParser) name(names []string, n int) int {
	for i, full := range names {
		want := full
		if n > 0 {
			want = full[:n]
		}
		if !p.failed && len(p.s) >= len(want) && strings.EqualFold(p.s[:len(want)], want) {
			p.s = p.s[len(want):]
			return i + 1
		}
	}
	p.failed = true
	return 0
}

// unix refuses days and times that do not exist; second 60 is a leap second, the one after 59.
func (p *dateParser) unix() (int64, bool) {
	if p.hour > 23 || p.minute > 59 || p.sec > 60 || p.day < 1 || p.day > daysIn(p.year, p.month) {
		return 0, false
	}
	return time.Date(p.year, time.Month(p.month), p.day, p.hour, p.minute, p.sec, 0, time.UTC).Unix(), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
