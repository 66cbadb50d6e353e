// Package framing asks three servers what they make of requests whose framing is odd: an edge (the built program,
// alone and in front of a regional node), Go's net/http and Debian's nginx. Each request is sent as raw bytes with
// a second one behind it, the canary, which shows where a server takes the first one to end.
//
// It owns only tests. What they promise: where an edge accepts a request, it reads the same one as each of the
// others that accepts it, and its upstream gets that one in good form and nothing else; where the others disagree about
// the body or about where the next request begins, the edge refuses and closes. All verdicts are in
// testdata/verdicts.tsv; `go test ./loadtests/framing -update` writes them anew.
//
// It refuses nothing by itself: rules are in differential_test.go, where to start reading; requests in corpus_test.go
// and grammar_test.go; raw requests for single points of key and framing safety in points_test.go.
package framing
