package sequencing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// NodeSettings are what a node of the platform was given to follow the log.
type NodeSettings struct {
	ControlURL, NATSURL, NATSSeedFile, TierTokenFile string
}

// SettingsOf reads the settings of a node that `tiercache up` has made in a data directory.
func SettingsOf(dataDir, node string) (NodeSettings, error) {
	values, err := settingsOf(dataDir, node)
	return NodeSettings{values["control_url"], values["nats_url"], values["nats_seed_file"], values["tier_token_file"]}, err
}

func settingsOf(dataDir, node string) (map[string]string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, "nodes", node+".yaml"))
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^(\w+): *(.*)$`).FindAllSubmatch(b, -1) {
		values[string(m[1])] = strings.Trim(string(m[2]), `"'`)
	}
	return values, nil
}

func trim(b []byte) []byte { return bytes.TrimSpace(b) }

// platform is `tiercache up` in a folder.
type platform struct {
	cmd  *exec.Cmd
	done chan error // has how it ended
}

// startPlatform runs it until everything is ready.
func startPlatform(ctx context.Context, cfg *Config) (*platform, error) {
	p := &platform{done: make(chan error, 1)}
	p.cmd = exec.Command(cfg.Program, "up", "--edges", "1", "--data-dir", cfg.DataDir, "--port-offset", strconv.Itoa(cfg.PortOffset))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for this program
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the platform: %w", err)
	}
	ready := make(chan struct{})
	said := new(strings.Builder)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(said, lines.Text())
			if strings.Contains(lines.Text(), "Ctrl-C stops everything") {
				close(ready)
				_, _ = io.Copy(io.Discard, out)
				break
			}
		}
		p.done <- p.cmd.Wait()
	}()
	select {
	case <-ready:
		return p, nil
	case err := <-p.done:
		return nil, fmt.Errorf("the platform ended: %w\n%s", errors.Join(err, errors.New("it is not ready")), said)
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

func (p *platform) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	<-p.done
}

// withCommitTimes starts the platform twice: PostgreSQL keeps the times of commits from its next start on.
func withCommitTimes(ctx context.Context, cfg *Config) (*platform, *database, error) {
	for {
		p, err := startPlatform(ctx, cfg)
		if err != nil {
			return nil, nil, err
		}
		db, err := openDatabase(ctx, cfg)
		if err != nil {
			p.stop()
			return nil, nil, err
		}
		kept, err := db.keepsCommitTimes(ctx)
		if err == nil && kept {
			return p, db, nil
		}
		db.close()
		p.stop()
		if err != nil {
			return nil, nil, err
		}
	}
}
