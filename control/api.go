package control

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tiercache/control/client"
	"tiercache/shared/token"
)

const (
	// maxBody bounds a request's body, in bytes.
	maxBody = 1 << 20

	// bodyTimeout bounds how long a client may take to send it.
	bodyTimeout = 5 * time.Second

	// bearerScheme is the name of the token scheme in the OpenAPI description.
	bearerScheme = "bearer"
)

// handler serves the API.
func (c *Control) handler() http.Handler {
	mux := http.NewServeMux()
	api := humago.New(mux, c.openAPI())
	c.registerFleet(api)
	c.registerVersion(api)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { serveUnknown(mux, w, r) })
	return c.measured(mux)
}

func (c *Control) openAPI() huma.Config {
	cfg := huma.DefaultConfig("tiercache control", c.node.Version)
	cfg.Info.Description = "The control plane of a tiercache fleet."
	cfg.DocsPath = ""     // its page would load scripts from elsewhere
	cfg.SchemasPath = ""  // /openapi.json has them all
	cfg.CreateHooks = nil // no $schema member in replies
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearerScheme: {Type: "http", Scheme: "bearer", Description: "A token with the role that the operation names."},
	}
	return cfg
}

type fleetReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Fleet
}

func (c *Control) registerFleet(api huma.API) {
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/fleet", "getFleet", "List the nodes of the fleet", token.Read),
		func(context.Context, *struct{}) (*fleetReply, error) {
			return &fleetReply{CacheControl: "no-store", Body: c.fleet(time.Now())}, nil
		})
}

type versionReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Version
}

func (c *Control) registerVersion(api huma.API) {
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/version", "getVersion", "Tell the version of this node", 0),
		func(context.Context, *struct{}) (*versionReply, error) {
			return &versionReply{CacheControl: "no-store", Body: client.Version{Version: c.node.Version, Go: runtime.Version(), Node: c.node.Node}}, nil
		})
}

// operation describes one operation with the limits that all have. A role of 0 makes it public.
func (c *Control) operation(api huma.API, method, path, id, summary string, need token.Role) huma.Operation {
	op := huma.Operation{
		OperationID:     id,
		Method:          method,
		Path:            path,
		Summary:         summary,
		MaxBodyBytes:    maxBody,
		BodyReadTimeout: bodyTimeout,
	}
	if need != 0 {
		op.Description = "Needs a token with the role " + need.String() + "."
		op.Security = []map[string][]string{{bearerScheme: {}}}
		op.Errors = []int{http.StatusUnauthorized, http.StatusForbidden}
		op.Middlewares = huma.Middlewares{c.require(api, need)}
	}
	return op
}
