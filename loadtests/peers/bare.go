package peers

import (
	"context"
	"fmt"
	"os"

	"github.com/valyala/fasthttp"
)

// bareServer is fasthttp that answers from memory: what is left when a cache does nothing.
func bareServer() contender {
	return contender{
		name: "bare fasthttp",
		version: func(context.Context, Config) (string, error) {
			return "the version of fasthttp that tiercache has", nil
		},
		command: func(_ context.Context, s *stand) ([]string, error) {
			self, err := os.Executable()
			return []string{self, "--bare", fmt.Sprintf("127.0.0.1:%d", s.port)}, err
		},
	}
}

// Bare serves at an address what the site serves, until it is killed.
func Bare(addr string) error {
	s := &fasthttp.Server{Handler: answerBare, Name: "bare"}
	return s.ListenAndServe(addr)
}

// answerBare answers with as many fields, of the same lengths, as the edge does.
func answerBare(ctx *fasthttp.RequestCtx) {
	answer(ctx)
	h := &ctx.Response.Header
	h.Set("Age", "12")
	h.Set("Cache-Status", "peers-1; hit; ttl=86388")
	h.Set("Tiercache-Epoch", "1796075435541788")
}
