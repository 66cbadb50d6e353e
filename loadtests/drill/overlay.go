package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// withoutTerms are the places of the code that ships which make a lost branch dead, and what becomes of them: stamps in the
// hole that a term leaves, and the purge that comes with it. A check that cannot fail shows nothing, so the drill must
// notice when they are gone.
func withoutTerms() (file string, places map[string]string) {
	return "shared/controllog/replica.go", map[string]string{
		"\tr.index.Hole(e.Prev, e.Epoch)\n":                                         "",
		"\tr.index.Purge(e.Epoch, mode, []object.Scope{invalidation.AllScope()})\n": "\t_, _, _ = mode, object.Scope{}, invalidation.AllScope\n",
	}
}

// BuildWithoutTerms builds the program without them, in dir; the working folder is within the module.
func BuildWithoutTerms(ctx context.Context, dir string) (program string, err error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	root := filepath.Dir(string(bytes.TrimSpace(mod)))
	file, places := withoutTerms()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return "", err
	}
	text := string(content)
	for is, off := range places {
		if strings.Count(text, is) != 1 {
			return "", fmt.Errorf("%s has not %q once", file, is)
		}
		text = strings.Replace(text, is, off, 1)
	}
	changed, overlay := filepath.Join(dir, "replica.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, file): changed}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(changed, []byte(text), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		return "", err
	}
	program = filepath.Join(dir, "tiercache")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", program, "tiercache/cmd/tiercache")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build without terms: %w: %s", err, out)
	}
	return program, nil
}
