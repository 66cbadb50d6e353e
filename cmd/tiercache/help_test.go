package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls visit for each command that people see.
func everyCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "completion" && sub.Name() != "help" {
			visit(sub)
			everyCommand(sub, visit)
		}
	}
}

// What the examples show is accepted, as far as can be told without doing it.
func TestHelp_ExamplesCanBeRun(t *testing.T) {
	examples := 0
	everyCommand(newRootCommand(), func(shown *cobra.Command) {
		for line := range strings.SplitSeq(shown.Example, "\n") {
			if line == "" {
				continue
			}
			examples++
			words := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(line, "'public, max-age=60'", "x"), "'", ""))
			root := newRootCommand()
			cmd, rest, err := root.Find(words[1:])
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil || words[0] != "tiercache" || cmd.CommandPath() != shown.CommandPath() {
				t.Errorf("%s: %q: %v", shown.CommandPath(), line, err)
			}
		}
	})
	if examples < 10 {
		t.Errorf("%d examples", examples)
	}
}

// pflag takes what stands in backquotes for the name of a flag's value.
func TestHelp_FlagsAreShownWithTheirTypes(t *testing.T) {
	everyCommand(newRootCommand(), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if strings.Contains(f.Usage, "`") || f.Usage == "" {
				t.Errorf("%s --%s: %q", cmd.CommandPath(), f.Name, f.Usage)
			}
		})
	})
}
