package control

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/shared/token"
)

// require lets a request through whose token has the role; 401 or 403 otherwise.
func (c *Control) require(api huma.API, need token.Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		err := c.tokens.Check(ctx.Header("Authorization"), need)
		switch {
		case err == nil:
			next(ctx)
		case errors.Is(err, token.ErrForbidden):
			refuse(api, ctx, http.StatusForbidden, err)
		default:
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="tiercache"`) // RFC 9110, 15.5.2
			refuse(api, ctx, http.StatusUnauthorized, err)
		}
	}
}

func refuse(api huma.API, ctx huma.Context, status int, err error) {
	_ = huma.WriteErr(api, ctx, status, err.Error()) // fails when the client is gone
}
