package main

import (
	"os"
	"path/filepath"
	"testing"
)

// PostgreSQL takes 1 for the end of the log, and goes on with less; anything else that is wrong has to stop it.
func TestBackup_FetchTellsTheEndOfTheLogFromAnError(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "RECOVERYXLOG")
	fetch := func(repository, name string) int {
		_, err := execute("control", "backup", "fetch", "--repository", repository, name, target)
		return exitCode(err)
	}
	if code := fetch(filepath.Join(dir, "nowhere"), "000000010000000000000003"); code != exitAborts {
		t.Errorf("without a repository: %d", code)
	}
	repository := filepath.Join(dir, "repository")
	if err := os.MkdirAll(filepath.Join(repository, "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	identity := `{"version": 1, "system_identifier": "7", "segment_size": 16777216}`
	if err := os.WriteFile(filepath.Join(repository, "repository.json"), []byte(identity), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := fetch(repository, "000000010000000000000003"); code != 1 {
		t.Errorf("behind the end of the log: %d", code)
	}
	if code := fetch(repository, "nonsense"); code != exitAborts {
		t.Errorf("for what is no name: %d", code)
	}
}

func TestRestore_WantsToKnowWhereTo(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--to", "yesterday"}, {"--to", "latest", "--to-epoch", "7"}, {"--to", "latest"},
		{"--to", "latest", "--data-dir", "x", "-o", "xml"}, {"--to", "latest", "--data-dir", "x"},
	} {
		if _, err := execute(append([]string{"control", "restore"}, args...)...); exitCode(err) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, args := range [][]string{{}, {"--repository", "x", "--keep", "-1"}, {"--repository", "x", "--every", "1s"}} {
		if _, err := execute(append([]string{"control", "backup"}, args...)...); exitCode(err) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
