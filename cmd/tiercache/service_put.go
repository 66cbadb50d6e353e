package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tiercache/control"
	"tiercache/control/client"
)

// errInvalidDocument ends a command whose document is wrong; what is wrong was printed.
var errInvalidDocument = errors.New("the service document is not valid")

// servicePut is the settings of `service put`.
type servicePut struct {
	activation
	name     string
	latest   int
	activate bool
}

func newServicePut(access *controlAccess) *cobra.Command {
	p := servicePut{latest: -1}
	cmd := &cobra.Command{
		Use:   "put FILE|-",
		Short: "Store a service document as the newest version; --activate makes the fleet follow it",
		Example: "  tiercache service put shop.yaml\n" +
			"  tiercache service put shop.yaml --activate --wait",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, access, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&p.name, "name", "", "the service (default: the name in the document)")
	f.IntVar(&p.latest, "if-version", -1, "store only if this is the newest version; 0: if there is none")
	f.BoolVar(&p.activate, "activate", false, "make the fleet follow it")
	p.bind(f, "with --activate: wait until every node follows it or is fenced")
	return cmd
}

func (p *servicePut) run(cmd *cobra.Command, access *controlAccess, file string) error {
	switch {
	case p.wait && !p.activate:
		return usage(errors.New("--wait is for --activate: a version that is not active changes nothing"))
	case p.latest < -1:
		return usage(fmt.Errorf("--if-version %d: use the number of the newest version, or 0 if there is none", p.latest))
	}
	c, err := access.client()
	if err != nil {
		return err
	}
	source, err := readInput(cmd, file)
	if err != nil {
		return err
	}
	name, mistakes := control.CheckDocument(p.name, source)
	if len(mistakes) > 0 {
		return showMistakes(cmd.ErrOrStderr(), file, mistakes)
	}
	ctx, cancel := within(cmd.Context(), p.timeout)
	defer cancel()
	s, err := c.PutService(ctx, name, source, p.latest)
	if err != nil {
		return explainMistakes(cmd.ErrOrStderr(), file, err)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: it cannot be activated: %s\n", printable(warning))
	}
	if p.activate {
		return p.activation.run(ctx, cmd, access, c, s.Name, s.Version)
	}
	return access.print(cmd.OutOrStdout(), s, func(w *tabwriter.Writer) {
		if s.Active {
			fmt.Fprintf(w, "%s version %d has this document and is active\n", printable(s.Name), s.Version)
			return
		}
		fmt.Fprintf(w, "%s version %d is stored; `service activate %s` makes the fleet follow it\n", printable(s.Name), s.Version, printable(s.Name))
	})
}

func newServiceValidate(access *controlAccess) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "validate FILE|-",
		Short: "Check a service document without storing it",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := readInput(cmd, args[0])
			if err != nil {
				return err
			}
			name, mistakes := control.CheckDocument("", source)
			if len(mistakes) > 0 {
				return showMistakes(cmd.ErrOrStderr(), args[0], mistakes)
			}
			checked := client.Validation{Name: name}
			if !offline {
				c, err := access.client()
				if err != nil {
					return err
				}
				if checked, err = c.ValidateService(cmd.Context(), "", source); err != nil {
					return explainMistakes(cmd.ErrOrStderr(), args[0], err)
				}
			}
			return access.print(cmd.OutOrStdout(), checked, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "%s: a valid document of the service %s\n", args[0], printable(checked.Name))
				for _, warning := range checked.Warnings {
					fmt.Fprintf(w, "warning: it cannot be activated: %s\n", printable(warning))
				}
			})
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask control, so that other services' hosts are not compared")
	return cmd
}

// explainMistakes prints what control found wrong with a document, as compilers do.
func explainMistakes(out io.Writer, file string, err error) error {
	var problem *client.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 {
		return err
	}
	return showMistakes(out, file, problem.Errors)
}

func showMistakes(out io.Writer, file string, mistakes []client.Mistake) error {
	for _, m := range mistakes {
		separator := ":"
		if m.Line == 0 {
			separator = ": "
		}
		if _, err := fmt.Fprintln(out, file+separator+printable(strings.TrimSpace(m.String()))); err != nil {
			return err
		}
	}
	return errInvalidDocument
}
