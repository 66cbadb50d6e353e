package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hint shows first steps that can be pasted into another terminal, which is in whatever folder. dataDir is the
// data folder's absolute path.
func (c *console) hint(plan *Plan, cfg *Config, command, dataDir string) {
	var text strings.Builder
	edges := plan.Of(tierEdge)
	fmt.Fprintf(&text, "\nFirst steps, in another terminal:\n\n")
	flags, database := " --data-dir "+quoted(dataDir), filepath.Join(dataDir, PostgresFile)
	if dir, err := os.Getwd(); err == nil && !strings.HasPrefix(command, "/") && strings.Contains(command, "/") {
		fmt.Fprintf(&text, "  cd %s\n", quoted(dir))
		flags, database = clientFlags(cfg), filepath.Join(cfg.DataDir, PostgresFile)
	}
	page := "/"
	if cfg.Upstream == "" {
		page = "/hello.txt"
		fmt.Fprintf(&text, "  echo 'Hello from the origin' | %s object put '*/hello.txt' -%s%s\n", quoted(command), flags, origin(plan, cfg))
	}
	fmt.Fprintf(&text, "  curl -i %s%s    # a miss, filled through the tiers\n", edges[0].URL, page)
	fmt.Fprintf(&text, "  curl -i %s%s    # a hit: see Cache-Status and Age\n", edges[0].URL, page)
	if len(edges) > 1 {
		fmt.Fprintf(&text, "  curl -i %s%s    # another edge: a hit in the regional tier\n", edges[1].URL, page)
	}
	fmt.Fprintf(&text, "  %s purge --url '%s%s' --wait%s%s    # gone from every cache, with receipts\n",
		quoted(command), edges[0].URL, page, flags, control(plan, cfg))
	fmt.Fprintf(&text, "  %s status%s%s\n", quoted(command), flags, control(plan, cfg))
	fmt.Fprintf(&text, "  psql \"$(cat %s)\"    # the database, for purges from SQL\n\n", quoted(database))
	fmt.Fprintf(&text, "Ctrl-C stops everything. Logs: %s\n", filepath.Join(dataDir, "logs"))
	c.write(text.String())
}

// clientFlags leads the client commands, called in this process's folder, to the token when it is not where they
// look by themselves.
func clientFlags(cfg *Config) string {
	if cfg.DataDir == Default().DataDir {
		return ""
	}
	return " --data-dir " + quoted(cfg.DataDir)
}

func origin(plan *Plan, cfg *Config) string {
	if atHome(cfg) {
		return ""
	}
	return " --origin " + plan.Of(tierOrigin)[0].URL
}

func control(plan *Plan, cfg *Config) string {
	if atHome(cfg) {
		return ""
	}
	return " --control " + plan.Of(tierControl)[0].URL
}

// atHome says whether the nodes are where the client commands look by themselves.
func atHome(cfg *Config) bool {
	return cfg.PortOffset == 0 && reachable(cfg.Bind) == "127.0.0.1"
}

// quoted is text as one word for a shell.
func quoted(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:@,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
