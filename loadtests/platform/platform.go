// Package platform runs `tiercache up` for measurements, and reads what it has told its nodes.
package platform

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
	Regionals                                        string // a list in YAML, empty for a node that has none
}

// SettingsOf reads the settings of a node that `tiercache up` has made in a data directory.
func SettingsOf(dataDir, node string) (NodeSettings, error) {
	values, err := valuesOf(dataDir, node)
	return NodeSettings{values["control_url"], values["nats_url"], values["nats_seed_file"], values["tier_token_file"], values["regionals"]}, err
}

// PostgresURL is where the platform's control finds its database.
func PostgresURL(dataDir string) (string, error) {
	values, err := valuesOf(dataDir, "control-1")
	return values["postgres_url"], err
}

// Token is the platform's admin token.
func Token(dataDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, "admin.token"))
	return string(bytes.TrimSpace(b)), err
}

func valuesOf(dataDir, node string) (map[string]string, error) {
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

// Config of a Platform.
type Config struct {
	Program    string // tiercache
	DataDir    string // made if there is none
	PortOffset int
	Env        []string // beside this process's own
	Args       []string // of `up`, beside those that follow from the above
}

// Platform is `tiercache up` with one edge.
type Platform struct {
	cmd  *exec.Cmd
	done chan error // has how it ended
}

// Start returns when everything is ready.
func Start(ctx context.Context, cfg Config) (*Platform, error) {
	p := &Platform{done: make(chan error, 1)}
	args := []string{"up", "--edges", "1", "--data-dir", cfg.DataDir, "--port-offset", strconv.Itoa(cfg.PortOffset)}
	p.cmd = exec.Command(cfg.Program, append(args, cfg.Args...)...)
	p.cmd.Env = append(os.Environ(), cfg.Env...)
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
		p.Stop()
		return nil, ctx.Err()
	}
}

// PID is that of `tiercache up`, whose children the nodes are.
func (p *Platform) PID() int { return p.cmd.Process.Pid }

// Stop stops everything.
func (p *Platform) Stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	<-p.done
}
