package control

import (
	"context"
	"net/http"
	"runtime"
	"strings"
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
	c.registerEntries(api)
	c.registerVersion(api)
	c.registerPurges(api)
	c.registerServices(api)
	c.registerTokens(api)
	c.registerWatches(api)
	c.registerActivity(api)
	c.registerEvents(api)
	c.nodes.Register(mux)
	mux.HandleFunc("GET /v1/node/receipts", c.nodes.Known(c.serveReceipts))
	mux.HandleFunc("POST /v1/node/invalidations", c.nodes.Known(c.serveInvalidation))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { serveUnknown(mux, w, r) })
	return c.measured(mux)
}

func (c *Control) openAPI() huma.Config {
	cfg := huma.DefaultConfig("tiercache control", c.node.Version)
	cfg.Info.Description = "The control plane of a tiercache fleet."
	cfg.DocsPath = ""     // its page would load scripts from elsewhere
	cfg.SchemasPath = ""  // /openapi.json has them all
	cfg.CreateHooks = nil // no $schema member in replies
	cfg.Formats = map[string]huma.Format{"application/json": strictJSON(), "json": strictJSON()}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearerScheme: {Type: "http", Scheme: "bearer", Description: "A token with the role that the operation names."},
	}
	return cfg
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

// operation describes one operation with the limits that all have. A role of 0 makes it public. A token
// that is limited to some services has no access: see perService.
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
		c.guard(api, &op, access{anyOf: []token.Role{need}})
	}
	return op
}

// perService describes an operation that asks by itself whether its caller's token reaches the services
// concerned. The token needs one of the roles.
func (c *Control) perService(api huma.API, method, path, id, summary string, anyOf ...token.Role) huma.Operation {
	op := c.operation(api, method, path, id, summary, 0)
	c.guard(api, &op, access{anyOf: anyOf, perService: true})
	return op
}

// guard lets only those use the operation who have access.
func (c *Control) guard(api huma.API, op *huma.Operation, need access) {
	names := make([]string, 0, len(need.anyOf))
	for _, role := range need.anyOf {
		names = append(names, role.String())
	}
	op.Description = "Needs a token with the role " + strings.Join(names, " or ") + "."
	op.Security = []map[string][]string{{bearerScheme: {}}}
	op.Errors = []int{http.StatusUnauthorized, http.StatusForbidden}
	op.Middlewares = huma.Middlewares{c.require(api, need)}
}
