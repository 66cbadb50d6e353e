package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

const hint103 = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"

func earlyHints(_ *proxy.Config, s *policy.Service) { s.EarlyHints = true }

// hinted answers with early hints, which have fields that must not go on, and then, once proceed is closed or nil, with
// a response that may be stored.
func hinted(proceed <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{
			"Link": "</a.css>; rel=preload", "Cache-Control": "max-age=9999", "Set-Cookie": "a=b", "Content-Type": "x/y", "ETag": `"103"`,
			"Tiercache-Epoch": "9", "Surrogate-Key": "k", "Content-Security-Policy": "none", "X-Early": "1",
		} {
			h.Set(name, value)
		}
		w.WriteHeader(http.StatusEarlyHints)
		clear(h)
		if proceed != nil {
			<-proceed
		}
		h.Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "x")
	}
}

// client is a connection on which the bytes of replies are looked at.
type client struct {
	t *testing.T
	net.Conn
	*bufio.Reader
}

func connect(t *testing.T, url string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, request); err != nil {
		c.t.Fatal(err)
	}
}

// head reads to the end of one head.
func (c *client) head() string {
	c.t.Helper()
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := c.ReadString('\n')
		if head.WriteString(line); err != nil {
			c.t.Fatalf("%q, %v", head.String(), err)
		}
	}
	return head.String()
}

// reply reads heads up to a final one, and its body, and returns how many interim responses there were.
func (c *client) reply(method string) (r reply, interim []string) {
	c.t.Helper()
	for {
		first, err := c.Peek(len("HTTP/1.1 1"))
		if err != nil {
			c.t.Fatal(err)
		}
		if string(first) != "HTTP/1.1 1" {
			break
		}
		interim = append(interim, c.head())
	}
	response, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), err}, interim
}

func request(method, target, version string) string {
	body := ""
	if method == "POST" {
		body = "Content-Length: 3\r\n"
	}
	request := fmt.Sprintf("%s %s HTTP/%s\r\nHost: site.example\r\n%s\r\n", method, target, version, body)
	if method == "POST" {
		request += "abc"
	}
	return request
}

// systems are one tier, and two.
func systems(t *testing.T, run func(*testing.T, func(http.HandlerFunc, ...option) *system)) {
	t.Run("one tier", func(t *testing.T) {
		run(t, func(h http.HandlerFunc, o ...option) *system { return newSystem(t, h, o...) })
	})
	t.Run("two tiers", func(t *testing.T) {
		run(t, func(h http.HandlerFunc, o ...option) *system {
			return twoLoggedTiers(t, "secret", nil, nil, h, append(o, func(_ *proxy.Config, s *policy.Service) { s.Hosts = []string{"*"} })...)
		})
	})
}

// RFC 8297, 2: a client has the hints while the upstream works on the response, and nothing but Link of them; RFC 9110,
// 15.2: they are no part of the response, and nothing of them is stored.
func TestHints_ComeBeforeTheReply(t *testing.T) {
	systems(t, func(t *testing.T, start func(http.HandlerFunc, ...option) *system) {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "FOO"} {
			proceed := make(chan struct{})
			s := start(hinted(proceed), earlyHints)
			c := connect(t, s.url)
			c.send(request(method, "/", "1.1"))
			if got := c.head(); got != hint103 {
				t.Fatalf("%s: %q", method, got)
			}
			close(proceed)
			r, interim := c.reply(method)
			checkFinal(t, method, r)
			if len(interim) != 0 {
				t.Errorf("%s: then %q", method, interim)
			}
			c.send(request("GET", "/", "1.1"))
			r, interim = c.reply("GET")
			checkFinal(t, "GET", r)
			hit := strings.Contains(fmt.Sprint(r.header["Cache-Status"]), "hit")
			if hit != (method == "GET") || hit && len(interim) != 0 {
				t.Errorf("GET behind %s: hints %q, %v", method, interim, r.header)
			}
		}
	})
}

// checkFinal wants a final reply with nothing of the hints in it.
func checkFinal(t *testing.T, method string, r reply) {
	t.Helper()
	want := "x"
	if method == "HEAD" {
		want = ""
	}
	if r.status != 200 || r.body != want || r.err != nil || r.header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("%s: %+v", method, r)
	}
	for _, name := range []string{"Link", "Set-Cookie", "ETag", "X-Early", "Content-Security-Policy", "Tiercache-Epoch", "Surrogate-Key"} {
		if r.header.Get(name) == "9" || name != "Tiercache-Epoch" && r.header.Get(name) != "" {
			t.Errorf("%s: the reply has %s of the hints: %v", method, name, r.header)
		}
	}
}

// RFC 9110, 15.2: a client of HTTP/1.0 gets no interim response. Nor does any whose service has not asked for it.
func TestHints_NotForEverybody(t *testing.T) {
	systems(t, func(t *testing.T, start func(http.HandlerFunc, ...option) *system) {
		for name, c := range map[string]struct {
			version string
			options []option
		}{"HTTP/1.0": {"1.0", []option{earlyHints}}, "not asked for": {"1.1", nil}} {
			s := start(hinted(nil), c.options...)
			for _, method := range []string{"GET", "HEAD", "POST"} {
				conn := connect(t, s.url)
				conn.send(request(method, "/"+method, c.version))
				r, interim := conn.reply(method)
				checkFinal(t, method, r)
				if len(interim) != 0 {
					t.Errorf("%s, %s: %q", name, method, interim)
				}
			}
		}
	})
}

// upstreamOf makes a raw server the upstream of a system.
func upstreamOf(t *testing.T, raw string) option {
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) { fmt.Fprint(c, raw) })
	return func(_ *proxy.Config, s *policy.Service) {
		if s.Upstream != policy.UpstreamOrigin { // which stands for the next tier
			s.Upstream = "http://" + addr
		}
	}
}

// What an upstream may send in place of hints does no harm: what goes on is bounded, has nothing but Link, and frames
// nothing.
func TestHints_HostileOnes(t *testing.T) {
	const head, final = "HTTP/1.1 103 Early Hints\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
	long := "Link: <" + strings.Repeat("a", 3000) + ">\r\n"
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "%sLink: </%d>\r\n\r\n", head, i)
	}
	ok := head + "Link: </a>\r\n\r\n"
	systems(t, func(t *testing.T, start func(http.HandlerFunc, ...option) *system) {
		for name, c := range map[string]struct {
			raw   string
			class int // of the status
			most  int // hints
			bytes int // of all hints
		}{
			"many":              {many.String() + final, 2, 8, 600},
			"large":             {head + long + long + long + "Link: </b>\r\n\r\n" + head + long + "\r\n" + final, 2, 2, 8<<10 + 100},
			"too large":         {head + "Link: <" + strings.Repeat("a", 9000) + ">\r\n\r\n" + final, 2, 0, 0},
			"the same":          {strings.Repeat(ok, 20) + final, 2, 1, len(ok)},
			"no Link":           {head + "X: y\r\n\r\n" + final, 2, 0, 0},
			"empty Link":        {head + "Link:\r\n\r\n" + final, 2, 0, 0},
			"not ASCII":         {head + "Link: </\xc3\xa4>\r\n\r\n" + final, 2, 0, 0},
			"control byte":      {head + "Link: </\x01>\r\n\r\n" + final, 5, 0, 0},
			"bare CR":           {head + "Link: </a>\rX: y\r\n\r\n" + final, 5, 0, 0},
			"of the connection": {head + "Link: </a>\r\nConnection: Link\r\n\r\n" + final, 2, 0, 0},
			"length":            {head + "Link: </a>\r\nContent-Length: 5\r\n\r\n" + final, 2, 1, len(ok)},
			"length and bytes":  {head + "Link: </a>\r\nContent-Length: 5\r\n\r\nhello" + final, 5, 1, len(ok)},
			"chunked":           {head + "Link: </a>\r\nTransfer-Encoding: chunked\r\n\r\n" + final, 2, 1, len(ok)},
			"chunks":            {head + "Link: </a>\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + final, 5, 1, len(ok)},
			"no final":          {ok, 5, 1, len(ok)},
			"other interim":     {"HTTP/1.1 104 X\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\nLink: </a>\r\n\r\n" + final, 2, 0, 0},
			"in the body":       {"HTTP/1.1 200 OK\r\nContent-Length: " + fmt.Sprint(len(ok)) + "\r\n\r\n" + ok, 2, 0, 0},
		} {
			s := start(nil, earlyHints, upstreamOf(t, c.raw))
			conn := connect(t, s.url)
			for _, method := range []string{"GET", "POST"} {
				conn.send(request(method, "/", "1.1"))
				r, interim := conn.reply(method)
				size := 0
				for _, i := range interim {
					size += len(i)
					if rest := strings.ReplaceAll(strings.TrimPrefix(i, head), "Link: <", ""); strings.Contains(rest, ": ") {
						t.Errorf("%s, %s: %.200q", name, method, i)
					}
				}
				if r.status/100 != c.class || len(interim) > c.most || size > c.bytes || r.header.Get("Link") != "" || r.err != nil {
					t.Errorf("%s, %s: %d, %d hints of %d bytes, %v, %v", name, method, r.status, len(interim), size, r.header, r.err)
				}
				if r.status == 200 && name != "in the body" && r.body != "x" {
					t.Errorf("%s, %s: %q", name, method, r.body)
				}
			}
		}
	})
}
