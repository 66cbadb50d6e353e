package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/control/sequencer"
)

// retrySeconds is what clients are told to wait while PostgreSQL is away.
const retrySeconds = "1"

// fault is how an error of the store is told to a client; what it does not know is a fault of ours, whose
// text stays inside.
func (c *Control) fault(ctx context.Context, err error) error {
	var own huma.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, postgres.ErrUnavailable), errors.Is(err, sequencer.ErrStopped), errors.Is(err, context.DeadlineExceeded):
		away := huma.Error503ServiceUnavailable("the database is away: try again")
		return huma.ErrorWithHeaders(away, http.Header{"Retry-After": {retrySeconds}})
	case errors.Is(err, postgres.ErrNotFound):
		return huma.Error404NotFound("there is no such thing")
	case errors.Is(err, postgres.ErrConflict):
		return huma.Error409Conflict(c.told(err, "somebody else was first: look at what there is, and try again"))
	case errors.Is(err, postgres.ErrInvalid):
		return huma.Error422UnprocessableEntity(c.told(err, "it has a character that cannot be stored, such as NUL: leave it out"))
	case ctx.Err() != nil:
		return ctx.Err() // nobody is there to read it
	}
	c.node.Log.Error("a request failed", "error", err)
	return huma.Error500InternalServerError("something went wrong: see control's log")
}

// told is the text of an error of the store for a client. What PostgreSQL itself says is for who runs control: the log
// has it, and the client is told what it means.
func (c *Control) told(err error, means string) string {
	if !postgres.Verbatim(err) {
		return err.Error()
	}
	c.node.Log.Warn("PostgreSQL refused what a client sent", "error", err)
	return means
}

// absent is fault for a request that names one thing, which may not be there: what is the thing in words.
func (c *Control) absent(ctx context.Context, err error, what string) error {
	if errors.Is(err, postgres.ErrNotFound) {
		return huma.Error404NotFound("there is no " + what)
	}
	return c.fault(ctx, err)
}

// mistakes is a problem that says which fields are wrong, and where a document has them.
type mistakes struct{ client.Problem }

// GetStatus makes it an error that huma sends as it is.
func (m *mistakes) GetStatus() int { return m.Status }

// ContentType is that of RFC 9457.
func (m *mistakes) ContentType(string) string { return "application/problem+json" }

// Error is the problem's own text.
func (m *mistakes) Error() string { return m.Problem.Error() }

// mistaken is a request that one thing is wrong with.
func mistaken(detail string, wrong client.Mistake) error {
	return &mistakes{client.Problem{
		Status: http.StatusUnprocessableEntity,
		Title:  http.StatusText(http.StatusUnprocessableEntity),
		Detail: detail,
		Errors: []client.Mistake{wrong},
	}}
}
