package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
	"tiercache/shared/controllog"
)

// eventsRetry is how long to wait before a stream that ended is asked for again.
const eventsRetry = time.Second

// errCaughtUp ends the list of what has happened.
var errCaughtUp = errors.New("nothing more has happened yet")

func newEventsCommand() *cobra.Command {
	var access controlAccess
	var follow bool
	var since int64
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show the control log, and follow it",
		Long: "Show the entries of the control log that are kept: purges, activations, tokens. With --follow begin with what\n" +
			"happens next, nodes that join, are fenced or leave included, until Ctrl-C; --since begins behind an epoch.",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since < 0 {
				return usage(fmt.Errorf("--since %d: epochs are above 0", since))
			}
			c, err := access.client()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("since") {
				since = 0
				if follow {
					since = client.FromNow
				}
			}
			p := eventPrinter{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), json: access.output == "json", follow: follow, last: since}
			return p.run(cmd.Context(), c)
		},
	}
	access.bind(cmd.Flags(), "read")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C, also when control restarts")
	cmd.Flags().Int64Var(&since, "since", 0, "begin behind this epoch")
	return cmd
}

// eventPrinter shows events as they come.
type eventPrinter struct {
	out, errs io.Writer
	json      bool
	follow    bool
	last      int64 // the last epoch shown
}

// run ends when all is shown, or, when it follows, with ctx. A stream that ends is asked for again where it
// ended; the first one must work.
func (p *eventPrinter) run(ctx context.Context, c *client.Client) error {
	worked, away := false, false
	for {
		err := c.Events(ctx, p.last, func(e client.Event) error {
			worked, away = true, false
			return p.show(e)
		})
		switch {
		case errors.Is(err, errCaughtUp), ctx.Err() != nil:
			return nil
		case !p.follow || !worked || !errors.Is(err, client.ErrUnreachable):
			return err
		}
		if !away {
			fmt.Fprintln(p.errs, "control is away, trying again") // a terminal that is gone ends the command anyway
		}
		away = true
		select {
		case <-time.After(eventsRetry):
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *eventPrinter) show(e client.Event) error {
	p.last = max(p.last, int64(e.Epoch)) // far below 2^53
	if e.Type == client.EventHead {
		if p.follow {
			return nil
		}
		return errCaughtUp
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(e)
	}
	_, err := fmt.Fprintf(p.out, "%s  %16s  %-7s  %s\n", e.Time.Local().Format("2006-01-02 15:04:05.000"), epochColumn(e.Epoch), printable(e.Type), printable(eventText(&e)))
	return err
}

func epochColumn(epoch uint64) string {
	if epoch == 0 {
		return "-"
	}
	return fmt.Sprint(epoch)
}

// eventText is what happened in one line.
func eventText(e *client.Event) string {
	switch e.Type {
	case client.EventPurge:
		var p controllog.Purge
		if len(e.Detail) == 0 || json.Unmarshal(e.Detail, &p) != nil {
			return fmt.Sprintf("%d things (%s)", e.Size, e.ID)
		}
		return purgeText(&p) + " (" + e.ID + ")"
	case client.EventMember:
		var m client.MemberChange
		if json.Unmarshal(e.Detail, &m) == nil {
			return fmt.Sprintf("%s %s (%s, %s)", m.Node, m.Change, m.Tier, m.Region)
		}
	case client.EventGap:
		return "older entries are not kept any more"
	}
	return string(e.Detail)
}

func purgeText(p *controllog.Purge) string {
	mode := p.Mode
	if mode == "" {
		mode = "hard"
	}
	words := []string{mode}
	list := func(name string, values []string) {
		if len(values) > 0 {
			words = append(words, name+" "+strings.Join(values, ","))
		}
	}
	list("tags", p.Tags)
	if p.Service != "" {
		words = append(words, "of "+p.Service)
	}
	list("urls", urlTexts(p.URLs))
	list("prefixes", urlTexts(p.Prefixes))
	list("hosts", p.Hosts)
	list("services", p.Services)
	if p.All {
		words = append(words, "all")
	}
	return strings.Join(words, " ")
}

func urlTexts(urls []controllog.URL) []string {
	texts := make([]string, 0, len(urls))
	for _, u := range urls {
		texts = append(texts, u.Host+u.Path+u.Query)
	}
	return texts
}
