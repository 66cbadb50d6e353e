package control

import (
	"bytes"
	"context"
	"errors"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/config"
	"tiercache/shared/policy"
)

const (
	// seedName is who stores and activates the documents of the settings.
	seedName = "seed"

	// seedRetry is how long to wait for PostgreSQL before the next try.
	seedRetry = 500 * time.Millisecond
)

// seedServices is the part that stores and activates the documents of the settings. It is ready at once; the
// node is once the documents are in the log.
func (c *Control) seedServices(ctx context.Context, ready func()) error {
	ready()
	if len(c.cfg.Services) > 0 {
		health := c.node.Health.Component("services", true)
		health.Fail("the services of the settings are not in the log yet")
		if !c.seedUntilDone(ctx) {
			return nil
		}
		health.OK("")
	}
	<-ctx.Done()
	return nil
}

// seedUntilDone tries until every document is stored; it is false when ctx ends first. What PostgreSQL
// refuses for good is logged and left out: the API can put it right.
func (c *Control) seedUntilDone(ctx context.Context) bool {
	pause := time.NewTicker(seedRetry)
	defer pause.Stop()
	for i := 0; i < len(c.cfg.Services); {
		doc := &c.cfg.Services[i]
		err := c.seed(ctx, doc)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, postgres.ErrUnavailable), errors.Is(err, context.DeadlineExceeded),
			errors.Is(err, postgres.ErrConflict): // another control node does the same
			select {
			case <-pause.C:
			case <-ctx.Done():
				return false
			}
			continue
		case err != nil:
			c.node.Log.Error("a service of the settings was not activated", "service", doc.Name, "error", err)
		}
		i++
	}
	return true
}

// seed stores and activates a document of the settings when there is none, or when it has changed since it
// was the active one. What was activated by hand stays. Errors: those of the store.
func (c *Control) seed(ctx context.Context, doc *policy.Service) error {
	newest, err := c.store.Service(ctx, doc.Name) // version 0 when there is none
	if err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return err
	}
	source := config.Encode(doc)
	stored := newest.CreatedBy == seedName && bytes.Equal(canonical(&newest), source)
	if newest.ActiveVersion > 0 {
		active, err := c.active(ctx, &newest)
		byHand := active.CreatedBy != seedName || stored && !newest.ActivatedAt.IsZero()
		if err != nil || byHand || bytes.Equal(canonical(&active), source) {
			return err
		}
	}
	by, version := postgres.Actor{Name: seedName}, newest.Version
	if !stored {
		version, err = c.store.PutServiceAfter(ctx, newest.Version, doc.Name, source, doc, by)
		if err != nil {
			return err
		}
	}
	id, err := c.store.ActivateService(ctx, doc.Name, version, by)
	if err != nil {
		return err
	}
	_, err = c.epochOf(ctx, id)
	return err
}
