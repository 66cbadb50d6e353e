package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/token"
)

const (
	// maxTokens bounds how many tokens are valid at a time: each node checks a request against all of them.
	maxTokens = 1000

	// maxServiceName bounds the name of a service, in bytes.
	maxServiceName = 64
)

// registerTokens registers the operations on tokens.
func (c *Control) registerTokens(api huma.API) {
	create := c.operation(api, http.MethodPost, "/v1/tokens", "createToken", "Make a token; its secret is shown this once", token.Admin)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, c.createToken)
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/tokens", "listTokens", "List the tokens, without their secrets: the valid ones first, each kind newest first", token.Admin), c.listTokens)
	huma.Register(api, c.operation(api, http.MethodDelete, "/v1/tokens/{id}", "revokeToken", "Revoke a token, for good", token.Admin), c.revokeToken)
}

type createTokenInput struct{ Body client.NewToken }

type createTokenReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.CreatedToken
}

func (c *Control) createToken(ctx context.Context, in *createTokenInput) (*createTokenReply, error) {
	roles, err := parseRoles(in.Body.Roles)
	if err != nil {
		return nil, err
	}
	if name := in.Body.Name; name == adminName || name == seedName {
		return nil, mistaken("no such token", client.Mistake{Location: "body.name", Message: fmt.Sprintf("%q stands for somebody else in the activity log", name)})
	}
	for _, s := range in.Body.Services {
		if s == "" || len(s) > maxServiceName || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return nil, mistaken("no such token", client.Mistake{Location: "body.services", Message: fmt.Sprintf("%q is not the name of a service", s)})
		}
	}
	secret := token.Generate()
	change := controllog.TokenChange{
		ID: "tok_" + strings.ToLower(rand.Text()[:16]), Name: in.Body.Name, Hash: token.Hash(secret),
		Roles: roles.String(), Services: in.Body.Services,
	}
	id, err := c.store.AddToken(ctx, change, maxTokens, actor(ctx))
	switch {
	case errors.Is(err, postgres.ErrFull):
		return nil, huma.Error409Conflict(fmt.Sprintf("there are %d valid tokens: revoke those that are not used", maxTokens))
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	reply := &createTokenReply{CacheControl: "no-store", Body: client.CreatedToken{
		Token:  client.Token{ID: change.ID, Name: change.Name, Roles: splitRoles(change.Roles), Services: change.Services, CreatedBy: actor(ctx).Name},
		Secret: secret,
	}}
	if epoch, err := c.epochOf(ctx, id); err == nil { // the token is made: without an epoch it takes effect later
		reply.Body.Epoch = epoch
	}
	return reply, nil
}

func parseRoles(names []string) (token.Role, error) {
	roles, err := token.ParseRole(strings.Join(names, ","))
	if err != nil {
		return 0, mistaken("no such token", client.Mistake{Location: "body.roles", Message: err.Error()})
	}
	return roles, nil
}

func splitRoles(roles string) []string { return strings.Split(roles, ",") }

type revokeInput struct {
	ID string `path:"id" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$" patternDescription:"the ID of a token, as GET /v1/tokens shows it"`
}

type revokeReply struct{ Body client.RevokedToken }

func (c *Control) revokeToken(ctx context.Context, in *revokeInput) (*revokeReply, error) {
	id, err := c.store.RevokeToken(ctx, in.ID, actor(ctx))
	if err != nil {
		return nil, c.absent(ctx, err, fmt.Sprintf("token with the ID %q; `tiercache token ls` lists them", in.ID))
	}
	reply := &revokeReply{Body: client.RevokedToken{ID: in.ID, Changed: id != ""}}
	if epoch, err := c.revokedAt(ctx, in.ID, id); err == nil { // it is revoked: without an epoch it takes effect later
		reply.Body.Epoch = epoch
	}
	return reply, nil
}

// revokedAt is the epoch of a token's revocation, the entry with that id, or, when that is empty, of one that was
// made before.
func (c *Control) revokedAt(ctx context.Context, tokenID, id string) (uint64, error) {
	if id != "" {
		return c.epochOf(ctx, id)
	}
	if _, err := c.sequencer.Head(ctx); err != nil { // it may be in the outbox still
		return 0, err
	}
	return c.store.TokenEpoch(ctx, tokenID)
}

// replaceTokens lets in whom the log's tokens, and the admin file, let in. The sequencer's goroutine
// calls it, first with what was loaded.
func (c *Control) replaceTokens(tokens []controllog.TokenChange) {
	grants := make([]token.Grant, 0, len(tokens))
	for _, t := range tokens {
		if !t.Revoked {
			grants = append(grants, token.Grant{Hash: t.Hash, ID: t.ID, Name: t.Name, Roles: t.Roles, Services: slices.Clone(t.Services)})
		}
	}
	if err := c.tokens.Replace(grants); err != nil {
		c.node.Log.Error("some tokens of the log let nobody in", "error", err)
	}
}
