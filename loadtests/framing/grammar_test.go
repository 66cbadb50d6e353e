package framing

import (
	"fmt"
	"strings"
	"testing"
)

// What requests are made of. A body of five bytes, the same in chunks, and a request that nobody should see.
const (
	hello    = "HELLO"
	chunks   = "5\r\nHELLO\r\n0\r\n\r\n"
	smuggled = "GET /smuggled-{id}- HTTP/1.1\r\nHost: smuggled.test\r\n\r\n"
	host     = "Host: h.test\r\n"
	length   = "Content-Length: 5\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
)

func get(fields string) string { return "GET /case-{id}- HTTP/1.1\r\n" + host + fields + "\r\n" }

func post(fields, body string) string {
	return "POST /case-{id}- HTTP/1.1\r\n" + host + fields + "\r\n" + body
}

// allRequests are the requests of the grammar and those that were written by hand.
func allRequests(t *testing.T) []request {
	t.Helper()
	var all []request
	for _, some := range [][]request{
		lengthRequests(), codingRequests(), nameRequests(), lineEndRequests(), requestLineRequests(), chunkRequests(), extensionRequests(),
		trailerRequests(), hostRequests(), byteRequests(), handwritten(), mixRequests(),
	} {
		all = append(all, some...)
	}
	names := map[string]bool{}
	for _, r := range all {
		if names[r.name] || strings.ContainsAny(r.name, "\t\n") {
			t.Fatalf("%q is no name, or that of two requests", r.name)
		}
		names[r.name] = true
	}
	if len(all) < minCases {
		t.Fatalf("%d requests, want %d", len(all), minCases)
	}
	return all
}

// lengthRequests are those with a Content-Length of each form, alone and beside other framing fields.
func lengthRequests() (all []request) {
	for _, value := range []string{
		"5", "05", "005", "00000000000000000005", strings.Repeat("0", 300) + "5", "+5", "-5", "-0", "+0", "0", "00", "5 ", " 5\t", "5,5", "5, 5", "5,", ",5", "5;5", "5 5", "0 5",
		"0x5", "5h", "5.0", "5.", "5e0", "1_0", "five", "", " ", "\"5\"", "'5'", "5\x0b", "\x0b5", "5\x0c", "5\x00", "\x005", "5\x7f", "5\x80", "\u0665", "\uff15", "5\xa0", "(5)", "5#",
		"4294967301", "9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551621", "99999999999999999999999", "3", "6", "4",
	} {
		name, line := "length "+quoted(value), "Content-Length: "+value+"\r\n"
		all = append(all,
			request{name + " alone", post(line, hello)},
			request{name + " behind 5", post(length+line, hello)},
			request{name + " before 5", post(line+length, hello)},
			request{name + " before chunked", post(line+chunked, "0\r\n\r\n")},
			request{name + " behind chunked", post(chunked+line, "0\r\n\r\n")},
		)
	}
	return all
}

// codingRequests are those with a Transfer-Encoding of each form.
func codingRequests() (all []request) {
	for _, value := range []string{
		"chunked", "Chunked", "CHUNKED", " chunked", "chunked ", "\tchunked", "chunked\t", "\x0bchunked", "chunked\x0b", "\x0cchunked", "chunked\x00", "\x00chunked", "chunked\x7f", "\x80chunked", "chunked\xa0",
		"chunked,", ",chunked", ", chunked", "chunked, chunked", "chunked,identity", "identity", "identity, chunked", "gzip", "gzip, chunked", "chunked, gzip", "deflate", "compress, chunked", "trailers", "x-chunked",
		"xchunked", "chunkedx", "chunk", "chunke", "chunked;q=1", "chunked; a=b", "\"chunked\"", "'chunked'", "chunked\"", "cow", "", " ", "chun ked", "chun\u212aed", "chun\u00ebked", "\uff43hunked",
		"chunked\r\n ", "chunked\r\n\t,x", "\r\n chunked", "\n chunked", "chunked\r", "\rchunked", "chunked\n", "chunked\r\r", "x\r\n chunked", "chunked#", "null", "chunked identity", "5", "true", "ch\tunked",
	} {
		name, line := "coding "+quoted(value), "Transfer-Encoding: "+value+"\r\n"
		whole := fmt.Sprintf("Content-Length: %d\r\n", len(chunks))
		all = append(all,
			request{name + " alone", post(line, chunks)},
			request{name + " behind a length", post(whole+line, chunks)},
			request{name + " before a length", post(line+whole, chunks)},
			request{name + " behind chunked", post(chunked+line, chunks)},
			request{name + " before chunked", post(line+chunked, chunks)},
			request{name + " in HTTP/1.0", "POST /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n" + line + "\r\n" + chunks},
		)
	}
	return all
}

// nameRequests hide a framing field behind another form of its name or behind the line before it.
func nameRequests() (all []request) {
	for _, field := range []struct{ label, name, value, body string }{
		{"length", "Content-Length", "5", hello},
		{"coding", "Transfer-Encoding", "chunked", chunks},
	} {
		first, second, _ := strings.Cut(field.name, "-")
		for _, form := range []string{
			strings.ToUpper(field.name), strings.ToLower(field.name), field.name + " ", field.name + "\t", " " + field.name, "\t" + field.name, first + "_" + second, first + " " + second, first + second,
			first + "--" + second, first + "\xad" + second, first + "-\x00" + second, field.name + "\x00", "\x00" + field.name, field.name + "\x0b", field.name + "\x80", field.name + "\r", field.name + "\r\n ", "\"" + field.name + "\"",
			"X: a\n" + field.name, "X: a\r" + field.name, "X: a\r\r\n" + field.name, "X: a\n\r" + field.name, "X: a\x00\r\n" + field.name, "X: a\r\n\r" + field.name, "X\r\n" + field.name, ": a\r\n" + field.name,
			"X: a\r\n " + field.name, "X:\r\n\t" + field.name, "X: a\\\r\n" + field.name, "X-" + field.name, field.name + ":", field.name + ";", "(" + field.name + ")", first + "-" + second + "\u017f", "Connection: " + field.name + "\r\n" + field.name,
		} {
			line := form + ": " + field.value + "\r\n"
			all = append(all, request{field.label + " named " + quoted(form), post(line, field.body)})
			if field.label == "coding" {
				all = append(all, request{field.label + " named " + quoted(form) + " before a length", post(line+fmt.Sprintf("Content-Length: %d\r\n", len(chunks)), chunks)})
			}
		}
	}
	return all
}

// lineEndRequests end each kind of line in each way.
func lineEndRequests() (all []request) {
	ends := []string{"\n", "\r", "\r\r\n", "\n\r", "\n\n", "\r\r", "\r\n\r\n", "\r\n\n", " \r\n", "\t\r\n", "\x00\r\n", "\x0b\r\n", "\r\n ", "\r \n", "", "\u2028", "\x85"}
	for _, end := range ends {
		name := "line end " + quoted(end)
		all = append(all,
			request{name + " of the request line", "GET /case-{id}- HTTP/1.1" + end + host + "\r\n"},
			request{name + " of a field", "GET /case-{id}- HTTP/1.1\r\n" + host + "X: a" + end + "Y: b\r\n\r\n"},
			request{name + " of the last field", "GET /case-{id}- HTTP/1.1\r\n" + host + "X: a" + end + "\r\n"},
			request{name + " of the head", "GET /case-{id}- HTTP/1.1\r\n" + host + "X: a\r\n" + end},
			request{name + " of a head with a body", "POST /case-{id}- HTTP/1.1\r\n" + host + "Content-Length: 5\r\n" + end + hello},
			request{name + " of a length", "POST /case-{id}- HTTP/1.1\r\n" + host + "Content-Length: 5" + end + "\r\n" + hello},
			request{name + " of a coding", "POST /case-{id}- HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked" + end + "\r\n" + chunks},
		)
	}
	return all
}

// byteRequests put each kind of byte into a target, a name and a value.
func byteRequests() (all []request) {
	for _, c := range []byte("\x00\x01\x07\x08\t\n\x0b\x0c\r\x0e\x1b\x1f !\"#%&'()*+,-./:;<=>?@[\\]^_`{|}~\x7f\x80\x85\xa0\xad\xff") {
		name := fmt.Sprintf("byte %02x", c)
		all = append(all,
			request{name + " in the target", "GET /case-{id}-a" + string(c) + "b HTTP/1.1\r\n" + host + "\r\n"},
			request{name + " in a name", get("X" + string(c) + "Y: a\r\n")},
			request{name + " in a value", get("X: a" + string(c) + "b\r\n")},
			request{name + " in the method", "PO" + string(c) + "ST /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello},
		)
	}
	return all
}
