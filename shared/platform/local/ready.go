package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	askTimeout  = 2 * time.Second
	reportLimit = 64 << 10 // bytes
)

// readiness is the part of a node's /readyz that counts here.
type readiness struct {
	Ready      bool     `json:"ready"`
	WaitingFor []string `json:"waiting_for"`
}

// askReady asks the admin listener at addr; the error is what the node waits for, in its own words.
func askReady(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	// A connection of its own: a restarted node must not be asked over one to its predecessor.
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return errors.New("it does not answer on its admin address yet")
	}
	defer func() { _ = response.Body.Close() }() // only read
	var said readiness
	if err := json.NewDecoder(io.LimitReader(response.Body, reportLimit)).Decode(&said); err != nil {
		return fmt.Errorf("its /readyz answers %s", response.Status)
	}
	if said.Ready {
		return nil
	}
	return fmt.Errorf("it waits for %s", strings.Join(said.WaitingFor, "; "))
}
