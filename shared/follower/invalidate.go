package follower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"tiercache/shared/controllog"
)

// errUnsequenced: the purge will be done; what its epoch is nobody knows yet.
var errUnsequenced = errors.New("the purge is committed and has no epoch yet")

// Invalidate asks control, over HTTP, to purge what unsafe methods have made invalid, and returns the epoch of the
// purge. After an error it may have been purged.
func (f *Follower) Invalidate(ctx context.Context, what *controllog.Invalidation) (epoch uint64, err error) {
	if f.http == nil {
		return 0, errNoHTTP
	}
	payload, err := json.Marshal(what)
	if err != nil {
		return 0, err
	}
	_, body, err := f.http.do(ctx, http.MethodPost, "/v1/node/invalidations", payload, maxRenewReply)
	if err != nil {
		return 0, err
	}
	var reply controllog.InvalidationReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return 0, fmt.Errorf("answer to an invalidation: %w", err)
	}
	if reply.Epoch == 0 {
		return 0, errUnsequenced
	}
	return reply.Epoch, nil
}
