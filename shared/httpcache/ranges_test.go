package httpcache

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func rangesOf(t *testing.T, stored Fields, length int64, request ...string) string {
	t.Helper()
	parts, use := Ranges(head(request...), 200, stored, length)
	switch use {
	case RangeIgnored:
		return "whole"
	case RangeUnsatisfiable:
		return "416 " + string(AppendUnsatisfied(nil, length))
	}
	var list []string
	for _, part := range parts {
		list = append(list, string(AppendContentRange(nil, part, length)))
	}
	return strings.Join(list, ", ")
}

// RFC 9110, 14.1.2 and 14.2.
func TestRanges_OfTenBytes(t *testing.T) {
	for field, want := range map[string]string{
		"bytes=0-4":                    "bytes 0-4/10",
		"BYTES=0-4":                    "bytes 0-4/10",
		"bytes=9-":                     "bytes 9-9/10",
		"bytes=5-99":                   "bytes 5-9/10",
		"bytes=-3":                     "bytes 7-9/10",
		"bytes=-99":                    "bytes 0-9/10",
		"bytes= 0-0 , -1":              "bytes 0-0/10, bytes 9-9/10",
		"bytes=,0-0,":                  "bytes 0-0/10",
		"bytes=4-5,0-1":                "bytes 4-5/10, bytes 0-1/10",
		"bytes=0-1,50-":                "bytes 0-1/10",
		"bytes=10-":                    "416 bytes */10",
		"bytes=-0":                     "416 bytes */10",
		"bytes=10-20,30-":              "416 bytes */10",
		"bytes=0-,0-":                  "whole", // more than there is
		"bytes=4-3":                    "whole",
		"bytes=":                       "whole",
		"bytes=,":                      "whole",
		"bytes=-":                      "whole",
		"bytes":                        "whole",
		"bytes 0-4":                    "whole",
		"bytes=a-":                     "whole",
		"bytes=+1-2":                   "whole",
		"bytes=1 - 2":                  "whole",
		"bytes=1--2":                   "whole",
		"bytes=0-0,x":                  "whole",
		"items=0-4":                    "whole",
		"bytes=99999999999999999999-":  "416 bytes */10",
		"bytes=0-99999999999999999999": "bytes 0-9/10",
		"bytes=" + strings.Repeat("1-1,", MaxRanges+1): "whole",
	} {
		if got := rangesOf(t, nil, 10, "Range: "+field); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

func TestRanges_CountForAComplete200Alone(t *testing.T) {
	h := head("Range: bytes=0-1")
	for _, status := range []int{203, 206, 301, 404, 500} {
		if _, use := Ranges(h, status, nil, 10); use != RangeIgnored {
			t.Errorf("%d: %v", status, use)
		}
	}
	for _, length := range []int64{0, -1} {
		if _, use := Ranges(h, 200, nil, length); use != RangeIgnored {
			t.Errorf("%d bytes: %v", length, use)
		}
	}
	if _, use := Ranges(head("Range: bytes=0-1", "Range: bytes=2-3"), 200, nil, 10); use != RangeIgnored {
		t.Error("two lines count")
	}
}

// RFC 9110, 13.1.5: strong comparison alone; a date only where it is a strong validator.
func TestRanges_IfRange(t *testing.T) {
	stored := Fields{{"ETag", `"a"`}, {"Last-Modified", date(-100)}, {"Date", date(0)}}
	weak := Fields{{"ETag", `W/"a"`}, {"Last-Modified", date(0)}, {"Date", date(0)}}
	for _, c := range []struct {
		condition string
		stored    Fields
		holds     bool
	}{
		{`"a"`, stored, true},
		{`"b"`, stored, false},
		{`W/"a"`, stored, false},
		{`W/"a"`, weak, false},
		{`"a"`, weak, false},
		{`"a", "b"`, stored, false},
		{`*`, stored, false},
		{`a`, stored, false},
		{``, stored, false},
		{date(-100), stored, true},
		{date(-99), stored, false},
		{date(-101), stored, false},
		{date(0), weak, false}, // it may have changed twice in that second
		{date(-100), nil, false},
		{`"a"`, nil, false},
	} {
		got := rangesOf(t, c.stored, 10, "Range: bytes=0-1", "If-Range: "+c.condition)
		if want := map[bool]string{true: "bytes 0-1/10", false: "whole"}[c.holds]; got != want {
			t.Errorf("%s: %s, want %s", c.condition, got, want)
		}
	}
}

// FuzzRanges compares with net/http: what both take they read alike, and nothing that lies beyond the content is
// ever answered.
func FuzzRanges(f *testing.F) {
	for _, seed := range []string{"bytes=0-4", "bytes=-3,0-0", "bytes=9-,2-3", "bytes=4-3", "bytes=0-,1-1", "bytes=00-07", "bytes= -5"} {
		f.Add(seed, uint8(10))
	}
	f.Fuzz(func(t *testing.T, field string, size uint8) {
		if strings.ContainsAny(field, "\r\n\x00") || size == 0 {
			return
		}
		length := int64(size)
		parts, use := parseRanges(field, length)
		sum := int64(0)
		for _, part := range parts {
			if part.Length <= 0 || part.Start < 0 || part.Start+part.Length > length {
				t.Fatalf("%q: %+v of %d bytes", field, part, length)
			}
			sum += part.Length
		}
		if use == RangeSatisfied != (len(parts) > 0) || len(parts) > 1 && sum > length {
			t.Fatalf("%q: %v with %+v", field, use, parts)
		}
		reply := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Range", field)
		http.ServeContent(reply, request, "x.bin", time.Time{}, bytes.NewReader(make([]byte, length)))
		if use == RangeSatisfied && len(parts) == 1 && reply.Code == http.StatusPartialContent && !strings.HasPrefix(reply.Header().Get("Content-Type"), "multipart/") {
			if got, want := string(AppendContentRange(nil, parts[0], length)), reply.Header().Get("Content-Range"); got != want {
				t.Fatalf("%q: %s, net/http says %s", field, got, want)
			}
		}
		// Of a suffix of no bytes net/http sends that part, which RFC 9110, 14.1.2 calls unsatisfiable.
		if use == RangeSatisfied && reply.Code == http.StatusOK {
			t.Fatalf("%q of %d bytes: %v, net/http answers %s", field, length, use, fmt.Sprint(reply.Code))
		}
	})
}
