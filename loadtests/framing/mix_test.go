package framing

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// mixes is how many requests are put together at random.
const mixes = 1200

// mixRequests are put together of parts that are mostly right: doubt often lies in what two of them mean together.
// The generator's seed makes them the same ones each time.
func mixRequests() (all []request) {
	random := rand.New(rand.NewPCG(9112, 9110))
	pick := func(usual string, others ...string) string {
		if random.IntN(3) > 0 {
			return usual
		}
		return others[random.IntN(len(others))]
	}
	for n := range mixes {
		end := func() string {
			if random.IntN(12) > 0 {
				return "\r\n"
			}
			return []string{"\n", "\r", "\r\r\n", " \r\n", "\t\r\n", "\n\r\n", "\r\n ", "\x00\r\n"}[random.IntN(8)]
		}
		var raw strings.Builder
		raw.WriteString(pick("", "\r\n", "\n", "\r\n\r\n", " "))
		raw.WriteString(pick("POST", "GET", "PUT", "HEAD", "DELETE", "OPTIONS") + " ")
		raw.WriteString(pick("/case-{id}-", "http://h.test/case-{id}-", "//case-{id}-", "/case-{id}-?a=b", "/case-{id}-/../x") + " ")
		raw.WriteString(pick("HTTP/1.1", "HTTP/1.0", "HTTP/1.2") + end())
		fields := []string{pick("Host: h.test", "host:h.test", "Host: h.test:80", "Host:\th.test\t")}
		for range 1 + random.IntN(3) {
			fields = append(fields, mixField(random))
		}
		random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		for _, field := range fields {
			raw.WriteString(field + end())
		}
		raw.WriteString(pick("\r\n", end()) + mixBody(random))
		all = append(all, request{fmt.Sprintf("mix %04d", n), raw.String()})
	}
	return all
}

func mixField(random *rand.Rand) string {
	some := []string{
		"Content-Length: 5", "Content-Length: 5", "Content-Length: 15", "Content-Length: 0", "content-length:5", "Content-Length: 5, 5", "Content-Length : 5", "Content-Length: +5", "X-Content-Length: 3",
		"Transfer-Encoding: chunked", "Transfer-Encoding: chunked", "transfer-encoding:CHUNKED", "Transfer-Encoding: identity", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \tchunked", "Transfer-Encoding : chunked", "Transfer_Encoding: chunked",
		"Connection: keep-alive", "Connection: close", "Connection: keep-alive, Content-Length", "Expect: 100-continue", "Trailer: X", "X: a", "X:", "X: a\r\n b", "Accept: */*", "Upgrade: h2c", "TE: trailers",
	}
	return some[random.IntN(len(some))]
}

func mixBody(random *rand.Rand) string {
	some := []string{
		"", hello, hello, chunks, chunks, smuggled, "0\r\n\r\n", "0\r\n\r\n" + smuggled, "5;a=b\r\nHELLO\r\n0\r\n\r\n", "5;a=\"b\"\r\nHELLO\r\n0;c\r\n\r\n", "5\r\nHELLO\r\n0\r\nX: a\r\n\r\n", "5\nHELLO\n0\n\n", "5 \r\nHELLO\r\n0\r\n\r\n",
		"5\r\nHELLO0\r\n\r\n", "00005\r\nHELLO\r\n000\r\n\r\n", "5;\r\nHELLO\r\n0\r\n\r\n", "5\r\nHELLO\r\n0\r\n\n", "5\r\nHELLO\r\n0\r\nX: a\n\r\n", "3\r\nHEL\r\n2\r\nLO\r\n0\r\n\r\n",
	}
	return some[random.IntN(len(some))]
}
