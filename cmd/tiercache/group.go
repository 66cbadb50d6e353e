package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// refuseUnknown makes an unknown subcommand of cmd, and of the groups below, an error of usage with a
// suggestion. A group that does nothing by itself still shows its help when it is called alone.
func refuseUnknown(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usage(fmt.Errorf("unknown command %q for %q: %s", args[0], cmd.CommandPath(), suggestion(cmd, args[0])))
	}
	if !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, sub := range cmd.Commands() {
		refuseUnknown(sub)
	}
}

// suggestion names the subcommands that were probably meant, or all of them. Of a word of three letters one may
// be wrong, of a longer one two.
func suggestion(cmd *cobra.Command, typed string) string {
	cmd.SuggestionsMinimumDistance = min(2, max(1, len(typed)-2))
	if near := cmd.SuggestionsFor(typed); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	var all []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, sub.Name())
		}
	}
	return "it has " + strings.Join(all, ", ")
}
