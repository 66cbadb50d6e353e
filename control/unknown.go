package control

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// serveUnknown answers what no operation matches: 405 with Allow when another method would have, else
// 404. The body is a problem as for any other error (RFC 9457).
func serveUnknown(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	problem := &huma.ErrorModel{
		Status: http.StatusNotFound,
		Title:  http.StatusText(http.StatusNotFound),
		Detail: "there is nothing at this path: see /openapi.json",
	}
	if methods := allowed(mux, r); len(methods) > 0 {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		problem.Status = http.StatusMethodNotAllowed
		problem.Title = http.StatusText(http.StatusMethodNotAllowed)
		problem.Detail = "this path has no " + knownMethod(r.Method)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	_ = json.NewEncoder(w).Encode(problem) // fails when the client is gone
}

// allowed lists the methods that have an operation at the request's path.
func allowed(mux *http.ServeMux, r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := mux.Handler(&other); pattern != "/" {
			methods = append(methods, method)
		}
	}
	return methods
}

// knownMethod keeps what a client invents out of the reply.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "such method"
}
