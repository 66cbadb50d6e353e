package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"tiercache/shared/config"
	"tiercache/shared/runner"
)

// Two variables make the test binary play somebody else.
const (
	nodeVariable = "LOCALTEST_PLAY_NODE" // a node: what tiercache itself does in life
	upVariable   = "LOCALTEST_PLAY_UP"   // `tiercache up`, with a Config in JSON
	// waitVariable names a file; while it is there, the played origin is not ready.
	waitVariable = "LOCALTEST_WAIT_FILE"
	// failVariable names a played node that ends as soon as it has read its configuration.
	failVariable = "LOCALTEST_FAIL"
	// invalidVariable names a played node that ends for the sake of its settings.
	invalidVariable = "LOCALTEST_INVALID"
	// stuckVariable names a played node that does not end when it is told to.
	stuckVariable = "LOCALTEST_STUCK"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(nodeVariable) != "":
		err = playNode(os.Args[1:])
	case os.Getenv(upVariable) != "":
		err = playUp(os.Getenv(upVariable))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func playUp(settings string) error {
	cfg := Default()
	if err := json.Unmarshal([]byte(settings), &cfg); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	ctx, cancel := runner.Signals(context.Background())
	defer cancel()
	return New(cfg, Deps{
		Executable: os.Args[0], Command: "tiercache", Out: os.Stdout,
		Environ: append(os.Environ(), nodeVariable+"=1"),
	}).Run(ctx)
}

// nodeFile has every field that Platform writes, and no other, as the tiers' own configurations are strict.
type nodeFile struct {
	Node              string        `yaml:"node"`
	Region            string        `yaml:"region"`
	Listen            string        `yaml:"listen"`
	AdminListen       string        `yaml:"admin_listen"`
	LogFormat         string        `yaml:"log_format"`
	NATSURL           string        `yaml:"nats_url"`
	NATSSeedFile      string        `yaml:"nats_seed_file"`
	ControlURL        string        `yaml:"control_url"`
	TierTokenFile     string        `yaml:"tier_token_file"`
	StateFile         string        `yaml:"state_file"`
	AdminTokenFile    string        `yaml:"admin_token_file"`
	PostgresURL       string        `yaml:"postgres_url"`
	L2                string        `yaml:"l2"`
	L2Prefix          string        `yaml:"l2_prefix"`
	RedisAddrs        []string      `yaml:"redis_addrs"`
	RedisPasswordFile string        `yaml:"redis_password_file"`
	OriginURL         string        `yaml:"origin_url"`
	L1Size            config.Size   `yaml:"l1_size"`
	Regionals         []string      `yaml:"regionals"`
	Services          []serviceFile `yaml:"services"`
}

type serviceFile struct {
	Name     string   `yaml:"name"`
	Hosts    []string `yaml:"hosts"`
	Upstream string   `yaml:"upstream"`
}

func readNode(path string) (nodeFile, error) {
	var cfg nodeFile
	err := config.Load(&cfg, config.Sources{File: path})
	return cfg, err
}

// playNode takes the command line of a node or of NATS, listens where it is told to, and notes its end in
// a file beside the configurations.
func playNode(args []string) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	if args[0] == "nats" {
		listener, err := net.Listen("tcp", args[2])
		if err != nil {
			return err
		}
		<-told
		return errors.Join(listener.Close(), noteEnd(filepath.Dir(args[4]), "nats"))
	}
	cfg, err := readNode(args[2])
	if err != nil {
		return err
	}
	if cfg.Node == os.Getenv(invalidVariable) {
		fmt.Fprintln(os.Stderr, "no such setting")
		os.Exit(config.ExitInvalid)
	}
	if cfg.Node == os.Getenv(failVariable) {
		return errors.New("told to fail")
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	admin, err := net.Listen("tcp", cfg.AdminListen)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(admin, http.HandlerFunc(playReady(cfg.Node))) }() // ends with the process
	fmt.Printf("time=now level=INFO msg=%q\n", "serving")
	<-told
	if cfg.Node == os.Getenv(stuckVariable) {
		select {} // until it is killed
	}
	return errors.Join(listener.Close(), noteEnd(filepath.Dir(filepath.Dir(args[2])), cfg.Node))
}

func playReady(node string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if file := os.Getenv(waitVariable); file != "" && node == "origin-1" {
			if _, err := os.Stat(file); err == nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"ready":false,"waiting_for":["postgres: connection refused"]}`) // a test's client
				return
			}
		}
		_, _ = io.WriteString(w, `{"ready":true,"waiting_for":[]}`) // a test's client
	}
}

// noteEnd appends one line in one write: several processes do so.
func noteEnd(dir, name string) error {
	file, err := os.OpenFile(filepath.Join(dir, "ended"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(name + "\n")
	return errors.Join(err, file.Close())
}
