package million

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// site answers every path with one byte that may be kept for a day and carries the tags of all; that of object 0
// carries those of one as well.
type site struct {
	url    string
	server *http.Server
}

func tagOfAll(i int) string { return fmt.Sprint("all-", i) }

func tagOfOne(i int) string { return fmt.Sprint("one-", i) }

func startSite(purges int) (*site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var all, one []string
	for i := range purges {
		all, one = append(all, tagOfAll(i)), append(one, tagOfOne(i))
	}
	all = append(all, tagOfAll(purges))
	tags := strings.Join(all, " ")
	tagsOfFirst := strings.Join(append(one, all...), " ")
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = []string{"max-age=86400"}
		w.Header()["Surrogate-Key"] = []string{tags}
		if r.URL.Path == target(0) {
			w.Header()["Surrogate-Key"] = []string{tagsOfFirst}
		}
		_, _ = w.Write([]byte("x")) // fails when nobody reads any more
	}
	s := &site{url: "http://" + listener.Addr().String(), server: &http.Server{Handler: http.HandlerFunc(handler)}}
	go func() { _ = s.server.Serve(listener) }() // ends with stop
	return s, nil
}

func (s *site) stop() { _ = s.server.Close() }

// target is the path of an object.
func target(i int) string { return fmt.Sprint("/", i) }
