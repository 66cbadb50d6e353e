package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/control/postgres"
)

type listTokensInput struct {
	After string `query:"after" maxLength:"128" doc:"Lists those behind this place: next of the list before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
}

type tokensReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Tokens
}

func (c *Control) listTokens(ctx context.Context, in *listTokensInput) (*tokensReply, error) {
	after, err := parseTokenPlace(in.After)
	if err != nil {
		return nil, mistaken("no such place", client.Mistake{Location: "query.after", Message: err.Error()})
	}
	records, err := c.store.Tokens(ctx, after, in.Limit)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	reply := &tokensReply{CacheControl: "no-store", Body: client.Tokens{Tokens: make([]client.Token, 0, len(records))}}
	for i := range records {
		reply.Body.Tokens = append(reply.Body.Tokens, describeToken(&records[i]))
	}
	if len(records) == in.Limit {
		reply.Body.Next = tokenPlace(records[len(records)-1].Place())
	}
	return reply, nil
}

func describeToken(r *postgres.TokenRecord) client.Token {
	return client.Token{
		ID: r.ID, Name: r.Name, Roles: splitRoles(r.Roles), Services: r.Services, CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy,
		Revoked: r.Revoked, RevokedAt: r.RevokedAt, RevokedBy: r.RevokedBy,
	}
}

// The states that a token's place in the list begins with.
const (
	placeValid   = "valid"
	placeRevoked = "revoked"
)

// tokenPlace writes a place for a client: STATE.MICROSECONDS.ID. An ID alone would not do: a token that is revoked while
// somebody reads the list moves to its end, and the valid ones behind it would be left out.
func tokenPlace(p postgres.TokenPlace) string {
	state := placeValid
	if p.Revoked {
		state = placeRevoked
	}
	return fmt.Sprintf("%s.%d.%s", state, p.CreatedAt.UnixMicro(), p.ID)
}

// parseTokenPlace reads what tokenPlace wrote; empty is the beginning.
func parseTokenPlace(s string) (postgres.TokenPlace, error) {
	if s == "" {
		return postgres.TokenPlace{}, nil
	}
	state, rest, _ := strings.Cut(s, ".")
	micros, id, _ := strings.Cut(rest, ".")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || at < 0 || at > maxPlaceTime || id == "" || strings.Trim(id, tokenIDBytes) != "" || state != placeValid && state != placeRevoked {
		return postgres.TokenPlace{}, errors.New("give the value of next, as the list before has it")
	}
	return postgres.TokenPlace{Revoked: state == placeRevoked, CreatedAt: time.UnixMicro(at), ID: id}, nil
}

const (
	tokenIDBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

	// maxPlaceTime is the year 10000, in microseconds since 1970: PostgreSQL has later times than Go can write.
	maxPlaceTime = 253_402_300_800_000_000
)
