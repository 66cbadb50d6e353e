package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func execute(args ...string) (string, error) {
	var out strings.Builder
	root := newRootCommand()
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func TestGroups_RefuseAnUnknownSubcommand(t *testing.T) {
	checked := 0
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			check(sub)
		}
		if !cmd.HasSubCommands() || !cmd.HasParent() {
			return
		}
		checked++
		path := strings.Fields(cmd.CommandPath())[1:]
		_, err := execute(append(path, "nonsense")...)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), cmd.Commands()[0].Name()) {
			t.Errorf("%v nonsense: %v", path, err)
		}
		// Flags before and behind it change nothing.
		if _, err := execute(append(path, "--help=false", "nonsense")...); err == nil || exitCode(err) != exitUsage {
			t.Errorf("%v --help=false nonsense: %v", path, err)
		}
	}
	check(newRootCommand())
	if checked < 5 {
		t.Errorf("%d groups", checked)
	}
}

func TestGroups_SuggestWhatWasMeant(t *testing.T) {
	for line, want := range map[string]string{
		"object pt":       "did you mean put?",
		"service activte": "did you mean activate?",
		"purge lst":       "did you mean ls?",
		"token foo":       "it has create, ls, revoke",
	} {
		if _, err := execute(strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestGroups_AloneShowTheirHelp(t *testing.T) {
	for _, group := range []string{"object", "service", "token", "completion"} {
		if out, err := execute(group); err != nil || !strings.Contains(out, "Available Commands:") {
			t.Errorf("%s: %v\n%s", group, err, out)
		}
	}
	if _, err := execute("purge"); err == nil || !strings.Contains(err.Error(), "name what to purge") {
		t.Errorf("purge: %v", err)
	}
}
