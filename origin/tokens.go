package origin

import (
	"fmt"

	"tiercache/shared/controllog"
	"tiercache/shared/token"
)

// ReadTokens reads the token files. Part does it when it starts; whoever wires a node does it before, to know at
// once of a file that cannot be used.
func (o *Origin) ReadTokens() error {
	if o.cfg.AdminTokenFile != "" {
		secret, err := token.ReadFile(o.cfg.AdminTokenFile)
		if err != nil {
			return fmt.Errorf("admin_token_file: %w", err)
		}
		if err := o.tokens.Add(secret, token.All); err != nil {
			return fmt.Errorf("admin_token_file: %w", err)
		}
	}
	if o.cfg.TierTokenFile == "" {
		return nil
	}
	var err error
	if o.tierToken, err = token.ReadFile(o.cfg.TierTokenFile); err != nil {
		return fmt.Errorf("tier_token_file: %w", err)
	}
	return nil
}

// SetTokens lets in whom the control log's tokens let in, and those of the call before no longer. The
// admin's stays. A token that is limited to services gives no right to objects, which belong to none.
func (o *Origin) SetTokens(tokens []controllog.TokenChange) {
	grants := make([]token.Grant, 0, len(tokens))
	for _, t := range tokens {
		if !t.Revoked {
			grants = append(grants, token.Grant{Hash: t.Hash, Name: t.Name, Roles: t.Roles, Services: t.Services})
		}
	}
	if err := o.tokens.Replace(grants); err != nil {
		o.log.Error("some tokens of the control log let nobody in", "error", err)
	}
}
