package framing

import (
	"fmt"
	"strings"
)

// requestLineRequests have a request line of each form.
func requestLineRequests() (all []request) {
	for _, line := range []string{
		"GET  /case-{id}- HTTP/1.1", "GET /case-{id}-  HTTP/1.1", "GET\t/case-{id}- HTTP/1.1", "GET /case-{id}-\tHTTP/1.1", " GET /case-{id}- HTTP/1.1", "GET /case-{id}- HTTP/1.1 ", "GET /case-{id}- HTTP/1.1\t",
		"GET /case-{id}-", "GET /case-{id}- ", "GET", "", "GET /case-{id}- a HTTP/1.1", "GET HTTP/1.1", "/case-{id}- HTTP/1.1", "GET /case-{id}-\x0bHTTP/1.1", "GET\x00/case-{id}- HTTP/1.1",
		"GET /case-{id}- HTTP/1.0", "GET /case-{id}- HTTP/0.9", "GET /case-{id}- HTTP/1.2", "GET /case-{id}- HTTP/1.9", "GET /case-{id}- HTTP/1.10", "GET /case-{id}- HTTP/1.01", "GET /case-{id}- HTTP/01.1",
		"GET /case-{id}- HTTP/2.0", "GET /case-{id}- HTTP/2", "GET /case-{id}- HTTP/3.0", "GET /case-{id}- HTTP/1", "GET /case-{id}- HTTP/1.", "GET /case-{id}- HTTP/.1", "GET /case-{id}- HTTP/11", "GET /case-{id}- HTTP/1,1",
		"GET /case-{id}- http/1.1", "GET /case-{id}- Http/1.1", "GET /case-{id}- HTTP/1.1x", "GET /case-{id}- HTTP/1.1\x00", "GET /case-{id}- HTTP /1.1", "GET /case-{id}- HTTP/ 1.1", "GET /case-{id}- HTTP/1.1 HTTP/1.1",
		"GET /case-{id}- HTTPS/1.1", "GET /case-{id}- ICAP/1.0", "GET /case-{id}- RTSP/1.0", "GET /case-{id}- HTTP/-1.1", "GET /case-{id}- HTTP/+1.1", "GET /case-{id}- HTTP\\1.1", "GET /case-{id}- HTTP/1.\u0661",
		"get /case-{id}- HTTP/1.1", "Get /case-{id}- HTTP/1.1", "FOO /case-{id}- HTTP/1.1", "HEAD /case-{id}- HTTP/1.1", "OPTIONS /case-{id}- HTTP/1.1", "TRACE /case-{id}- HTTP/1.1", "DELETE /case-{id}- HTTP/1.1",
		"CONNECT case-{id}-:80 HTTP/1.1", "CONNECT /case-{id}- HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "PURGE /case-{id}- HTTP/1.1", "PROPFIND /case-{id}- HTTP/1.1", "G3T /case-{id}- HTTP/1.1", "G-T /case-{id}- HTTP/1.1",
		"GET case-{id}- HTTP/1.1", "GET h.test/case-{id}- HTTP/1.1", "GET ./case-{id}- HTTP/1.1", "GET ?case-{id}- HTTP/1.1", "GET #/case-{id}- HTTP/1.1", "GET /case-{id}-#a HTTP/1.1", "GET \\case-{id}- HTTP/1.1",
		"GET //case-{id}- HTTP/1.1", "GET ///case-{id}- HTTP/1.1", "GET //other.test/case-{id}- HTTP/1.1", "GET /case-{id}-//a/../b/./c HTTP/1.1", "GET /../case-{id}- HTTP/1.1", "GET /case-{id}-%2F%2e%2e%2fb HTTP/1.1",
		"GET /case-{id}-;a=b;c HTTP/1.1", "GET /case-{id}-%00 HTTP/1.1", "GET /case-{id}-%0d%0aX:%20a HTTP/1.1", "GET /case-{id}-%zz HTTP/1.1", "GET /case-{id}-% HTTP/1.1", "GET /case-{id}-? HTTP/1.1", "GET /case-{id}-??a=?b HTTP/1.1",
		"GET /case-{id}-?u=http://other.test/ HTTP/1.1", "GET //case-{id}-?u=http://other.test/ HTTP/1.1", "GET /case-{id}-://other.test/ HTTP/1.1", "GET //case-{id}-://other.test/ HTTP/1.1", "GET @other.test/case-{id}- HTTP/1.1",
		"GET http://h.test/case-{id}- HTTP/1.1", "GET HTTP://H.TEST:80/case-{id}- HTTP/1.1", "GET https://h.test/case-{id}- HTTP/1.1", "GET http://other.test/case-{id}- HTTP/1.1", "GET http://other.test?/case-{id}- HTTP/1.1",
		"GET http://a@h.test/case-{id}- HTTP/1.1", "GET http://a:b@other.test/case-{id}- HTTP/1.1", "GET http://h.test@other.test/case-{id}- HTTP/1.1", "GET http:///case-{id}- HTTP/1.1", "GET http:/case-{id}- HTTP/1.1",
		"GET http:case-{id}- HTTP/1.1", "GET http://h.test:/case-{id}- HTTP/1.1", "GET http://h.test:80:81/case-{id}- HTTP/1.1", "GET http://h.test:x/case-{id}- HTTP/1.1", "GET http://h.test\\@other.test/case-{id}- HTTP/1.1",
		"GET http://h.test#@other.test/case-{id}- HTTP/1.1", "GET http://[::1]/case-{id}- HTTP/1.1", "GET http://[::1/case-{id}- HTTP/1.1", "GET http://h%2etest/case-{id}- HTTP/1.1", "GET ftp://h.test/case-{id}- HTTP/1.1",
		"GET file:///case-{id}- HTTP/1.1", "GET javascript://h.test/case-{id}- HTTP/1.1", "GET http://h-{id}-.test HTTP/1.1", "POST //case-{id}- HTTP/1.1", "POST http://other.test/case-{id}- HTTP/1.1", "GET http://h.test//case-{id}- HTTP/1.1", "GET http:\\\\h.test/case-{id}- HTTP/1.1",
	} {
		all = append(all, request{"request line " + quoted(line), line + "\r\n" + host + "\r\n"})
	}
	return all
}

// chunkRequests have chunks of each form.
func chunkRequests() (all []request) {
	for _, size := range []string{
		"5", "05", "0005", "000000000000005", "0000000000000005", "00000000000000005", strings.Repeat("0", 100) + "5", "5 ", "5\t", " 5", "\t5", "5  ", "0x5", "0X5", "x5", "5h", "h", "+5", "-5", "5.", "5.0", "5,", "5,5", "5 5", "5_", "\"5\"", "five", "",
		"5\x00", "\x005", "5\x0b", "\x0b5", "5\x0c", "5\x7f", "5\x80", "\uff15", "5\r", "\r5", "\n5", "5\n", "100000005", "10000000000000005", "7fffffffffffffff", "ffffffffffffffff", "8000000000000005", "FFFFFFFFFFFFFFFFF", "4", "6", "a", "A", "1", "0", "-0", "+0", "00", "5:", "5=a", "5#a", "5/", "5%", "5(",
	} {
		all = append(all, request{"chunk size " + quoted(size), post(chunked, size+"\r\n"+hello+"\r\n0\r\n\r\n")})
	}
	for _, end := range []string{"\n", "\r", "", "\n\r", "\r\r\n", "\n\n", "\r\r", "\r\n\r\n", "\r\n\n", " \r\n", "XX", "X\r\n", "\x00\n", "\r\x00", "0\r\n", "\x0b\r\n", "\r\n "} {
		name := "chunk end " + quoted(end)
		all = append(all,
			request{name + " behind data", post(chunked, "5\r\n"+hello+end+"0\r\n\r\n")},
			request{name + " behind a size", post(chunked, "5"+end+hello+"\r\n0\r\n\r\n")},
			request{name + " behind the last size", post(chunked, "5\r\n"+hello+"\r\n0"+end+"\r\n")},
			request{name + " behind the last chunk", post(chunked, "5\r\n"+hello+"\r\n0\r\n"+end)},
			request{name + " behind data, with a request in the next chunk", post(chunked, "5\r\n"+hello+end+fmt.Sprintf("%x\r\n", len(smuggled)+8)+smuggled+"\r\n0\r\n\r\n")},
		)
	}
	for name, body := range map[string]string{
		"no last": "5\r\nHELLO\r\n", "last alone": "0\r\n\r\n", "many": strings.Repeat("1\r\nx\r\n", 300) + "0\r\n\r\n", "upper case": "A\r\n0123456789\r\n0\r\n\r\n", "data like an end": "a\r\n\r\n0\r\n\r\n\r\n!\r\n0\r\n\r\n",
		"size in data": "7\r\n5\r\nhell\r\n0\r\n\r\n", "empty body": "", "last without its end": "5\r\nHELLO\r\n0", "last without an empty line": "5\r\nHELLO\r\n0\r\n", "two lasts": "5\r\nHELLO\r\n0\r\n\r\n0\r\n\r\n", "empty line first": "\r\n5\r\nHELLO\r\n0\r\n\r\n",
		"large": fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 100_000, strings.Repeat("y", 100_000)),
	} {
		all = append(all, request{"chunks, " + name, post(chunked, body)})
	}
	return sorted(all)
}

// extensionRequests have a chunk extension of each form, behind a chunk's size and behind that of the last one.
func extensionRequests() (all []request) {
	for _, extension := range []string{
		";", ";a", ";a=b", ";a=b;c=d", "; a = b ", " ;a", "\t;a", ";a=\"b\"", ";a=\"b;c\"", ";a=\"b\\\"c\"", ";a=\"b", ";a=\"\r\n", ";a=\"b\r\nc\"", ";a=\"b\nc\"", ";a=\"b\rc\"", ";a\n", ";a\nb", ";a\rb", ";a\r\r", ";\n", ";\r",
		";\x00", ";a=\x0b", ";a\x7f", ";a=\xff", ";a=\"\xff\"", ";;;;", ";a=b=c", ";=", ";a=\"b\"c", ";a='b", " a", ",a", ":a", "=a", ";a=" + strings.Repeat("b", 100), ";a=" + strings.Repeat("b", 252), ";a=" + strings.Repeat("b", 5000), ";a=" + strings.Repeat("b", 40_000),
		";a\n0\r\n\r\n" + smuggled,
	} {
		name := "extension " + quoted(extension)
		all = append(all,
			request{name, post(chunked, "5"+extension+"\r\n"+hello+"\r\n0\r\n\r\n")},
			request{name + " of the last", post(chunked, "5\r\n"+hello+"\r\n0"+extension+"\r\n\r\n")},
		)
	}
	return all
}

// trailerRequests have a trailer section of each form.
func trailerRequests() (all []request) {
	for _, trailer := range []string{
		"X: a\r\n", "X: a\r\nY: b\r\n", "X:\r\n", "X: a\n", "X: a\r", "X: a\r\n\n", "X: a\n\r\n", "X : a\r\n", " X: a\r\n", "X: a\r\n b\r\n", "X\r\n", ": a\r\n", "X: a\x00\r\n", "X\x00: a\r\n", "X: a\rb\r\n", "\n", "\r", "\r\r\n", " \r\n", "\x00\r\n",
		"Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Host: other.test\r\n", "Trailer: X\r\n", "Connection: close\r\n", "Authorization: a\r\n", "Cache-Control: no-store\r\n", "Upgrade: h2c\r\n", "Expect: 100-continue\r\n",
		"X: " + strings.Repeat("a", 7000) + "\r\n", "X: " + strings.Repeat("a", 9000) + "\r\n", "X: " + strings.Repeat("a", 70_000) + "\r\n", strings.Repeat("X: a\r\n", 100), strings.Repeat("X: a\r\n", 200), "GET / HTTP/1.1\r\n", "GET /smuggled-{id}- HTTP/1.1\r\nHost: h.test\r\n",
		"X: a\n\nGET /smuggled-{id}- HTTP/1.1\r\nHost: h.test\r\n", "\nGET /smuggled-{id}- HTTP/1.1\r\nHost: h.test\r\n", "5\r\nHELLO\r\n0\r\n",
	} {
		name := "trailer " + quoted(trailer)
		all = append(all, request{name, post(chunked, "5\r\n"+hello+"\r\n0\r\n"+trailer+"\r\n")}, request{name + ", announced", post("Trailer: X\r\n"+chunked, "5\r\n"+hello+"\r\n0\r\n"+trailer+"\r\n")})
	}
	return all
}

// hostRequests have a Host of each form, none or several.
func hostRequests() (all []request) {
	for _, value := range []string{
		"h.test", "H.TEST", "h.test:80", "h.test:", "h.test:0", "h.test:99999", "h.test:x", "h.test:80:80", "h.test:+80", "h.test:-1", ":80", "", " ", "h.test.", "h..test", ".h.test", "-h.test", "h_h.test", "h.test, other.test", "h.test other.test", "h.test,other.test",
		"h.test\tother.test", "h.test/", "h.test/a", "/", "h.test?a", "h.test#a", "h.test\\a", "a@h.test", "a:b@h.test", "@h.test", "h.test@", "h.test\x00", "\x00h.test", "h.test\x0b", "h\xe4.test", "h\u00e4.test", "h%2etest", "h.test%00", "[::1]", "[::1]:80", "[::1", "::1", "[::1]x", "[h.test]", "[]", "127.0.0.1",
		"http://h.test", "h.test;a", "\"h.test\"", "<h.test>", "h.test^", "h.test|", "h'test", "h&test", "h!test", "*.test", "h.test\r\n other.test", "\r\n h.test", strings.Repeat("a", 300) + ".test",
	} {
		all = append(all,
			request{"Host " + quoted(value), "GET /case-{id}- HTTP/1.1\r\nHost: " + value + "\r\n\r\n"},
			request{"Host " + quoted(value) + " beside an authority", "GET http://h.test/case-{id}- HTTP/1.1\r\nHost: " + value + "\r\n\r\n"},
		)
	}
	for name, raw := range map[string]string{
		"none": "GET /case-{id}- HTTP/1.1\r\n\r\n", "none in HTTP/1.0": "GET /case-{id}- HTTP/1.0\r\n\r\n", "none beside an authority": "GET http://h.test/case-{id}- HTTP/1.1\r\n\r\n", "none beside an authority in HTTP/1.0": "GET http://h.test/case-{id}- HTTP/1.0\r\n\r\n",
		"twice": "GET /case-{id}- HTTP/1.1\r\nHost: h.test\r\nHost: h.test\r\n\r\n", "two": "GET /case-{id}- HTTP/1.1\r\nHost: h.test\r\nhost: other.test\r\n\r\n", "two in HTTP/1.0": "GET /case-{id}- HTTP/1.0\r\nHost: h.test\r\nHost: other.test\r\n\r\n",
		"folded first": "GET /case-{id}- HTTP/1.1\r\n Host: other.test\r\nHost: h.test\r\n\r\n", "space before the colon": "GET /case-{id}- HTTP/1.1\r\nHost : other.test\r\nHost: h.test\r\n\r\n", "two beside an authority": "GET http://h.test/case-{id}- HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
		"named by others": get("X-Forwarded-Host: other.test\r\nX-Host: other.test\r\nForwarded: host=other.test\r\n"), "in Connection": get("Connection: Host\r\n"),
	} {
		all = append(all, request{"Host " + name, raw})
	}
	return sorted(all)
}
