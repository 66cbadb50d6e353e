package foreign

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"

	"tiercache/shared/httpcache"
)

const (
	// maxInterimBytes bounds the interim responses before a final one, all heads together.
	maxInterimBytes = maxHeaderBytes
	// interimOverhead is what each of them counts beside its fields, so that their number is bounded too.
	interimOverhead = 64
)

// errInterims: net/http leaves the bound to those who look at interim responses.
var errInterims = errors.New("too many interim responses")

// withHints makes net/http hand over the fields of each 103 that comes before the response. An interim response has
// no content, whatever its fields say: behind its head begins the next response (RFC 9112, 6.3), and net/http reads
// it so.
func withHints(ctx context.Context, hint func(httpcache.Fields)) context.Context {
	if hint == nil {
		return ctx
	}
	left := maxInterimBytes // of one goroutine, that which reads the connection
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			list := fields(http.Header(header))
			left -= interimOverhead
			for _, f := range list {
				left -= len(f.Name) + len(f.Value)
			}
			if left < 0 {
				return errInterims
			}
			if code == http.StatusEarlyHints {
				hint(list)
			}
			return nil
		},
	})
}
