package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxHello bounds a hello message, in bytes.
const maxHello = 4 << 10

// ErrHello says that a hello message is not what its sender may say.
var ErrHello = errors.New("bad hello message")

// Hello is what a node says about itself, once a second and when it stops.
type Hello struct {
	Node    string    `json:"node"`
	Tier    string    `json:"tier"`
	Region  string    `json:"region"`
	Addr    string    `json:"addr"`    // where it serves, host:port
	Admin   string    `json:"admin"`   // its admin listener, host:port
	Version string    `json:"version"` // of the binary
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"` // as its /readyz says
}

// Validate reports what makes the message unfit to be sent. Errors: ErrName.
func (h Hello) Validate() error {
	if err := ValidName(h.Tier); err != nil {
		return fmt.Errorf("tier: %w", err)
	}
	if err := ValidName(h.Node); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

// PublishHello tells everybody. Errors: ErrDisconnected, ErrName.
func (b *Bus) PublishHello(h Hello) error {
	if err := h.Validate(); err != nil {
		return err
	}
	payload, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if len(payload) > maxHello {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrHello, len(payload), maxHello)
	}
	return b.publish(HelloRoot+h.Tier+"."+h.Node, payload)
}

// SubscribeHello calls handle for each node's message, one at a time, until stop is called. A message
// whose content names another tier or node than its subject is dropped and reported in the log: the
// server checks subjects, nobody else checks contents.
func (b *Bus) SubscribeHello(handle func(Hello)) (stop func(), err error) {
	return b.subscribe(HelloRoot+"*.*", func(subject string, payload []byte) {
		h, err := decodeHello(subject, payload)
		if err != nil {
			b.report("hello message dropped", err)
			return
		}
		handle(h)
	})
}

func decodeHello(subject string, payload []byte) (Hello, error) {
	var h Hello
	if len(payload) > maxHello {
		return h, fmt.Errorf("%w on %s: %d bytes", ErrHello, subject, len(payload))
	}
	if err := json.Unmarshal(payload, &h); err != nil {
		return h, fmt.Errorf("%w on %s: %w", ErrHello, subject, err)
	}
	tier, node, _ := strings.Cut(strings.TrimPrefix(subject, HelloRoot), ".")
	if h.Tier != tier || h.Node != node {
		return h, fmt.Errorf("%w on %s: it says it is from %q %q", ErrHello, subject, h.Tier, h.Node)
	}
	if err := h.Validate(); err != nil {
		return h, fmt.Errorf("%w on %s: %w", ErrHello, subject, err)
	}
	return h, nil
}
