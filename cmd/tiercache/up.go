package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tiercache/edge/l1"
	"tiercache/shared/config"
	"tiercache/shared/platform/local"
	"tiercache/shared/runner"
)

func newUpCommand() *cobra.Command {
	cfg := local.Default()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform on this machine",
		Long: `Run the whole platform on this machine: a private PostgreSQL and Redis, NATS, control, origin,
regional and edge nodes, each as a process of its own. Ctrl-C drains and stops all of them.

Everything is kept in the data folder: a later start goes on with it, also after a crash. When this runs
as root and the account postgres may not enter the data folder, the database lies below /var/lib/tiercache
instead; DATA-FOLDER/postgres/location says where.`,
		Example: "  tiercache up\n" +
			"  tiercache up --regions 2 --edges 4\n" +
			"  tiercache up --upstream http://127.0.0.1:3000 --data-dir ./cache --port-offset 2000",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(&cfg, config.Sources{Environ: os.Environ(), Flags: cmd.Flags()}); err != nil {
				return usage(err)
			}
			if err := (l1.Config{Size: int64(cfg.L1Size)}).Validate(); err != nil {
				return usage(fmt.Errorf("--l1-size: %w", err))
			}
			return runUp(cmd, cfg)
		},
	}
	takesSignals(cmd)
	config.BindFlags(cmd.Flags(), &cfg)
	return cmd
}

func runUp(cmd *cobra.Command, cfg local.Config) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	ctx, cancel := runner.Signals(cmd.Context())
	defer cancel()
	return local.New(cfg, local.Deps{
		Executable: executable,
		Command:    commandName(executable),
		Environ:    os.Environ(),
		Out:        cmd.OutOrStdout(),
	}).Run(ctx)
}

// commandName is how to call executable from here: by name when PATH leads to it, else by its path,
// relative where it lies below the working folder.
func commandName(executable string) string {
	if found, err := exec.LookPath("tiercache"); err == nil || errors.Is(err, exec.ErrDot) {
		if resolved, err := filepath.EvalSymlinks(found); err == nil && resolved == executable {
			return "tiercache"
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return executable
	}
	relative, err := filepath.Rel(dir, executable)
	if err != nil || strings.HasPrefix(relative, "..") {
		return executable
	}
	if !strings.Contains(relative, "/") {
		return "./" + relative
	}
	return relative
}
