package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tiercache/shared/token"
)

// caller is who makes a request, for the activity log and for the limits of their token.
type caller struct {
	token.Holder
	From string // address without port

	conn *http.ResponseController
}

// callerKey is the key of the caller in a request's context.
type callerKey struct{}

// callerOf is who makes the request with this context. Only operations with a role have one.
func callerOf(ctx context.Context) caller {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who
}

// patient gives a request that waits up to d the time to do so: its body has been read, so nothing is
// read any more, and the reply may be written later than others.
func patient(ctx context.Context, d time.Duration) {
	if conn := callerOf(ctx).conn; conn != nil {
		_ = conn.SetReadDeadline(time.Time{})                       // a connection that is gone
		_ = conn.SetWriteDeadline(time.Now().Add(d + writeTimeout)) // ends the request anyway
	}
}

// access is what an operation asks of a token.
type access struct {
	// anyOf are roles of which the token must have one.
	anyOf []token.Role
	// perService: the operation itself asks whether the token reaches the services concerned. Without it a
	// token that is limited to some services has no access.
	perService bool
}

// require lets a request through whose token has access; 401 or 403 otherwise.
func (c *Control) require(api huma.API, need access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		holder, err := c.tokens.Identify(ctx.Header("Authorization"))
		if err == nil {
			err = need.check(&holder)
		}
		switch {
		case err == nil:
			_, w := humago.Unwrap(ctx)
			who := caller{Holder: holder, From: address(ctx.RemoteAddr()), conn: http.NewResponseController(w)}
			next(huma.WithValue(ctx, callerKey{}, who))
		case errors.Is(err, token.ErrForbidden):
			refuse(api, ctx, http.StatusForbidden, err)
		default:
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="tiercache"`) // RFC 9110, 15.5.2
			refuse(api, ctx, http.StatusUnauthorized, err)
		}
	}
}

// check reports what the holder lacks. Errors: token.ErrForbidden.
func (a access) check(h *token.Holder) error {
	names := make([]string, 0, len(a.anyOf))
	for _, role := range a.anyOf {
		switch {
		case !h.Roles.Has(role):
			names = append(names, role.String())
		case a.perService:
			return nil
		default:
			return h.May(role, "")
		}
	}
	return h.Lacks(strings.Join(names, " or "))
}

// address is a remote address without its port.
func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

func refuse(api huma.API, ctx huma.Context, status int, err error) {
	_ = huma.WriteErr(api, ctx, status, err.Error()) // fails when the client is gone
}
