package httpcache

import (
	"strings"
	"testing"
	"unsafe"
)

func TestStoredFields_RFC9111_3_1(t *testing.T) {
	h := head("Connection: close, X-Hop", "connection: x-too", "Keep-Alive: 5", "Proxy-Connection: x", "TE: x", "Trailer: x", "Transfer-Encoding: chunked",
		"Upgrade: x", "Proxy-Authenticate: x", "Proxy-Authentication-Info: x", "x-hop: 1", "X-Too: 1", "Age: 5", "Date: "+date(0),
		`Cache-Control: max-age=60, no-cache="X-Once", private="set-cookie"`, "X-Once: 1", "Set-Cookie: a=b", "Unknown-Field: kept", "Empty:", "Empty: 2")
	want := "Date: " + date(0) + "\nCache-Control: max-age=60, no-cache=\"X-Once\", private=\"set-cookie\"\nUnknown-Field: kept\nEmpty: \nEmpty: 2\n"
	m := NewMeta(200, h, t0, t0)
	got := StoredFields(h, &m)
	equal(t, "stored", show(got), want)
	equal(t, "other header type", show(StoredFields(plain{h}, &m)), want)
	equal(t, "again", show(StoredFields(got, &m)), want)
}

func TestStoredFields_Date_RFC9110_6_6_1(t *testing.T) {
	for _, h := range []Fields{head("X: y"), head("Date: tomorrow", "X: y")} {
		m := NewMeta(200, h, t0, after(3))
		equal(t, "arrival", show(StoredFields(h, &m)), "X: y\nDate: "+date(3)+"\n")
	}
}

func TestForwardFields_RFC9110_7_6_1(t *testing.T) {
	h := head("Host: a", "Connection: keep-alive, X-Hop", "X-Hop: 1", "TE: trailers", "Upgrade: h2c", "Proxy-Authorization: x", "Keep-Alive: 1",
		"Accept: */*", `If-None-Match: "a"`, "Range: bytes=0-1", "If-Range: x", "Authorization: y")
	equal(t, "forward", show(ForwardFields(h)), "Host: a\nAccept: */*\nIf-None-Match: \"a\"\nRange: bytes=0-1\nIf-Range: x\nAuthorization: y\n")
	equal(t, "fill", show(FillFields(h)), "Host: a\nAccept: */*\nAuthorization: y\n")
	equal(t, "other header type", show(FillFields(plain{h})), "Host: a\nAccept: */*\nAuthorization: y\n")
}

// A client must not be able to take away what the next tier decides by, nor our own loop guard.
func TestForwardFields_ConnectionCannotRemoveEndToEnd(t *testing.T) {
	for _, name := range []string{"Authorization", "Cookie", "CDN-Loop", "Via", "X-Forwarded-For", "Tiercache-Tier", "Host", "Cache-Control", "If-None-Match", "Content-Length"} {
		h := Fields{{"Connection", "close, " + strings.ToLower(name)}, {name, "v"}}
		equal(t, name, show(ForwardFields(h)), name+": v\n")
	}
}

func TestConnection_ManyNamesAreBounded(t *testing.T) {
	h := Fields{{"Connection", strings.Repeat("a,", 100000) + "x-late"}, {"X-Late", "1"}, {"A", "1"}}
	equal(t, "names taken", len(connectionNamed(h)), maxConnectionNames)
	equal(t, "still removed", show(ForwardFields(h)), "X-Late: 1\n")
}

// Header types of listeners reuse their buffers: what is kept must not change with them.
func TestFields_OwnTheirMemory(t *testing.T) {
	for what, keep := range map[string]func(Fields) Fields{
		"StoredFields": func(h Fields) Fields {
			m := NewMeta(200, h, t0, t0)
			return StoredFields(h, &m)
		},
		"ForwardFields": func(h Fields) Fields { return ForwardFields(h) },
		"FillFields":    func(h Fields) Fields { return FillFields(h) },
		"Freshen":       func(h Fields) Fields { return Freshen(nil, h) },
		"Conditional":   func(h Fields) Fields { return Conditional(h) },
		"Clone":         Fields.Clone,
	} {
		buffer := []byte(`ETag"abc"`)
		text := unsafe.String(&buffer[0], len(buffer))
		kept := keep(Fields{{text[:4], text[4:]}})
		before := strings.Clone(show(kept))
		for i := range buffer {
			buffer[i] = '#'
		}
		equal(t, what, show(kept), before)
		if strings.Contains(before, "#") || !strings.Contains(before, "abc") {
			t.Errorf("%s: kept %q", what, before)
		}
	}
	buffer := []byte("accept")
	names, _ := ParseVary(Fields{{"Vary", unsafe.String(&buffer[0], len(buffer))}})
	buffer[0] = '#'
	equal(t, "ParseVary", names[0], "accept")
}
