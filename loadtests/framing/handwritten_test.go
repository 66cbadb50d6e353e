package framing

import (
	"fmt"
	"slices"
	"strings"
)

// sorted puts requests that come from a map into an order.
func sorted(all []request) []request {
	slices.SortStableFunc(all, func(a, b request) int { return strings.Compare(a.name, b.name) })
	return all
}

// handwritten are requests that no rule makes: the attacks by their names, and what lies between requests.
func handwritten() []request {
	hidden := func(rest string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(rest)) }
	all := map[string]string{
		"CL.TE":                       post(hidden("0\r\n\r\n"+smuggled)+chunked, "0\r\n\r\n"+smuggled),
		"TE.CL":                       post("Content-Length: 4\r\n"+chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)),
		"TE.TE":                       post(chunked+"Transfer-encoding: x\r\n"+hidden("0\r\n\r\n"+smuggled), "0\r\n\r\n"+smuggled),
		"CL.0":                        post(hidden(smuggled), smuggled),
		"0.CL":                        get(hidden(smuggled)) + smuggled,
		"CL.0 of a HEAD":              "HEAD /case-{id}- HTTP/1.1\r\n" + host + hidden(smuggled) + "\r\n" + smuggled,
		"CL.0 with close":             post("Connection: close\r\n"+hidden(smuggled), smuggled),
		"CL.CL, first longer":         post("Content-Length: 60\r\nContent-Length: 5\r\n", hello+smuggled),
		"CL.CL, second longer":        post("Content-Length: 5\r\nContent-Length: 60\r\n", hello+smuggled),
		"TE.0":                        "OPTIONS /case-{id}- HTTP/1.1\r\n" + host + chunked + "\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"TERM.EXT":                    post(chunked, "2;\nxx\r\n26\r\n0\r\n\r\n"+smuggled+"\r\n0\r\n\r\n"),
		"EXT.TERM":                    post(chunked, "2;\rxx\r\n0\r\n\r\n"),
		"TERM.SPILL":                  post(chunked, "5\r\nHELLOX\r\n0\r\n\r\n"),
		"SPILL.TERM":                  post(chunked, "5\r\nHELLO\n\r\n0\r\n\r\n"),
		"ONE.TWO":                     post(chunked, "5\r\nHELLO\n2\r\nxx\r\n0\r\n\r\n"),
		"chunked, length 0":           post(chunked+"Content-Length: 0\r\n", chunks),
		"length without value":        post("Content-Length:\r\n"+chunked, chunks),
		"body longer than its length": post("Content-Length: 3\r\n", hello),
		"body ends early":             post("Content-Length: 5000\r\n", hello),
		"no framing, a body":          post("", hello),
		"no framing, a request":       post("", smuggled),
		"GET without framing, a body": get("") + hello,

		"GET with a body":              get(length) + hello,
		"GET with chunks":              get(chunked) + chunks,
		"GET with bad chunks":          get(chunked) + "5\r\nHELLOo\r\n0\r\n\r\n",
		"GET with two lengths":         get(length+"Content-Length: 6\r\n") + hello,
		"GET with length 0":            get("Content-Length: 0\r\n"),
		"GET with a long body":         get("Content-Length: 200000\r\n") + strings.Repeat("x", 200_000),
		"GET with a condition, a body": get("If-Match: \"a\"\r\n"+length) + hello,
		"GET with a body, in HTTP/1.0": "GET /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n" + length + "\r\n" + hello,
		"HEAD with a body":             "HEAD /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello,
		"HEAD with chunks":             "HEAD /case-{id}- HTTP/1.1\r\n" + host + chunked + "\r\n" + chunks,
		"OPTIONS with a body":          "OPTIONS /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello,
		"DELETE with a body":           "DELETE /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello,
		"DELETE without":               "DELETE /case-{id}- HTTP/1.1\r\n" + host + "\r\n",
		"PUT with a large body":        "PUT /case-{id}- HTTP/1.1\r\n" + host + "Content-Length: 300000\r\n\r\n" + strings.Repeat("z", 300_000),
		"PATCH with chunks":            "PATCH /case-{id}- HTTP/1.1\r\n" + host + chunked + "\r\n" + chunks,
		"unknown method with a body":   "FOO /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello,
		"TRACE with a body":            "TRACE /case-{id}- HTTP/1.1\r\n" + host + length + "\r\n" + hello,
		"CONNECT and bytes":            "CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n\r\n" + smuggled,

		"empty line first":               "\r\n" + get(""),
		"two empty lines first":          "\r\n\r\n" + get(""),
		"bare line feed first":           "\n" + get(""),
		"bare carriage return first":     "\r" + get(""),
		"space first":                    " " + get(""),
		"NUL first":                      "\x00" + get(""),
		"byte order mark first":          "\ufeff" + get(""),
		"empty line between":             post(length, hello) + "\r\n",
		"two empty lines between":        post(length, hello) + "\r\n\r\n",
		"bare line feed between":         post(length, hello) + "\n",
		"NUL between":                    post(length, hello) + "\x00",
		"empty line behind GET":          get("") + "\r\n",
		"garbage":                        "\x00\x01\x02garbage\r\n\r\n",
		"TLS":                            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("a", 64) + "\r\n\r\n",
		"SSH":                            "SSH-2.0-OpenSSH_9.2p1\r\n",
		"preface of HTTP/2":              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"preface of HTTP/2 behind a GET": get("") + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PROXY protocol":                 "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + get(""),

		"pipelined":                       get("") + "GET /second-{id}- HTTP/1.1\r\n" + host + "\r\n" + "GET /third-{id}- HTTP/1.1\r\n" + host + "\r\n",
		"pipelined with bodies":           post(length, hello) + strings.ReplaceAll(post(chunked, chunks), "case", "second"),
		"pipelined behind close":          get("Connection: close\r\n"),
		"pipelined behind Close":          get("Connection: Close\r\n"),
		"pipelined behind close, x":       get("Connection: x, close\r\n"),
		"pipelined behind keep-alive":     get("Connection: keep-alive\r\n"),
		"pipelined behind HTTP/1.0":       "GET /case-{id}- HTTP/1.0\r\n" + host + "\r\n",
		"pipelined behind 1.0 kept alive": "GET /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n\r\n",
		"POST without length in HTTP/1.0": "POST /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n\r\n",
		"POST in HTTP/1.0":                "POST /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n" + length + "\r\n" + hello,
		"bad one behind a good one":       get("") + strings.ReplaceAll(post(length+chunked, chunks), "case", "second"),

		"Upgrade to websocket": get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"),
		"Upgrade to h2c":       get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
		"Upgrade of a POST":    post("Connection: Upgrade\r\nUpgrade: h2c\r\n"+length, hello),
		"Upgrade, two":         get("Upgrade: websocket\r\nUpgrade: h2c\r\n"),
		"Upgrade to HTTP/1.1":  get("Connection: Upgrade\r\nUpgrade: HTTP/1.1\r\n"),
		"Upgrade, empty":       get("Upgrade:\r\n"),

		"128 lines":            get(strings.Repeat("X: a\r\n", 127)),
		"129 lines":            get(strings.Repeat("X: a\r\n", 128)),
		"1000 lines":           get(strings.Repeat("X: a\r\n", 1000)),
		"field of 30,000":      get("X: " + strings.Repeat("a", 30_000) + "\r\n"),
		"field of 33,000":      get("X: " + strings.Repeat("a", 33_000) + "\r\n"),
		"name of 33,000":       get(strings.Repeat("X", 33_000) + ": a\r\n"),
		"field of 2,000,000":   get("X: " + strings.Repeat("a", 2_000_000) + "\r\n"),
		"target of 20,000":     "GET /case-{id}-" + strings.Repeat("a", 20_000) + " HTTP/1.1\r\n" + host + "\r\n",
		"target of 33,000":     "GET /case-{id}-" + strings.Repeat("a", 33_000) + " HTTP/1.1\r\n" + host + "\r\n",
		"method of 33,000":     strings.Repeat("A", 33_000) + " /case-{id}- HTTP/1.1\r\n" + host + "\r\n",
		"method of 1,000":      strings.Repeat("A", 1000) + " /case-{id}- HTTP/1.1\r\n" + host + "\r\n",
		"line that never ends": "GET /case-{id}- HTTP/1.1\r\nX: " + strings.Repeat("a", 1000),
		"head that never ends": "GET /case-{id}- HTTP/1.1\r\n" + host,

		"framing fields in Connection": post("Connection: Content-Length, Transfer-Encoding, Host\r\n"+length, hello),
		"TE of the client":             get("Connection: TE\r\nTE: trailers, chunked\r\n"),
		"Keep-Alive":                   get("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"),
		"Proxy-Connection":             get("Proxy-Connection: close\r\n"),
		"multipart with a length":      post("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 58\r\n", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--"),
		"method override":              post("X-HTTP-Method-Override: GET\r\n"+length, hello),
		"length in a sub-delimiter":    get("X: a; Content-Length: 5\r\n"),
		"Cookie with framing":          get("Cookie: a=b; Transfer-Encoding: chunked\r\n"),
		"very long Cookie lines":       get(strings.Repeat("Cookie: a=b\r\n", 50)),
	}
	for _, value := range []string{"100-continue", "100-Continue", "100-continue ", "100-continue, x", "x 100-continue", "x", "", "200-ok", "100-continue;a=b", "\"100-continue\"", "100-continue\r\n x", "\r\n 100-continue", "100\x00-continue"} {
		name := "Expect " + quoted(value)
		all[name] = post("Expect: "+value+"\r\n"+length, hello)
		all[name+" without a body"] = get("Expect: " + value + "\r\n")
		all[name+" of a GET with a body"] = get("Expect: "+value+"\r\n"+length) + hello
		all[name+" with chunks"] = post("Expect: "+value+"\r\n"+chunked, chunks)
		all[name+" in HTTP/1.0"] = "POST /case-{id}- HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nExpect: " + value + "\r\n" + length + "\r\n" + hello
	}
	all["Expect twice"] = post("Expect: 100-continue\r\nExpect: 100-continue\r\n"+length, hello)
	all["Expect twice, one other"] = post("Expect: 100-continue\r\nExpect: x\r\n"+length, hello)
	all["Expect of both framings"] = post("Expect: 100-continue\r\n"+length+chunked, chunks)
	var list []request
	for name, raw := range all {
		list = append(list, request{name, raw})
	}
	return sorted(list)
}
