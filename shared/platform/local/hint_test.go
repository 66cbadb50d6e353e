package local

import (
	"os"
	"strings"
	"testing"
)

func TestHint_CanBePastedInAnyFolder(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command, dataDir string
		want, without    string
	}{
		{"tiercache", "./data", "tiercache status --data-dir '/the data'", "cd "},
		{"tiercache", "mine", "put '*/hello.txt' - --data-dir '/the data'", "mine"},
		{"/opt/tiercache", "./data", "/opt/tiercache status --data-dir '/the data'", "cd "},
		{"bin/tiercache", "./data", "  cd " + quoted(here) + "\n", "--data-dir"},
		{"bin/tiercache", "mine", "bin/tiercache status --data-dir mine\n", "'/the data'"},
		{"bin/tiercache", "mine", `psql "$(cat mine/postgres.url)"`, "'/the data'"},
		{"tiercache", "mine", `psql "$(cat '/the data/postgres.url')"`, "mine"},
	} {
		cfg := Default()
		cfg.DataDir = c.dataDir
		plan := NewPlan(&cfg)
		var text strings.Builder
		(&console{w: &text}).hint(&plan, &cfg, c.command, "/the data")
		steps, logs, _ := strings.Cut(text.String(), "Ctrl-C")
		if !strings.Contains(steps, c.want) || strings.Contains(steps, c.without) || !strings.Contains(logs, "Logs: /the data/logs\n") {
			t.Errorf("%s with %s:\n%s", c.command, c.dataDir, text.String())
		}
	}
}
