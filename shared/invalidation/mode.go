package invalidation

import "fmt"

// Mode is what a purge does to a response.
type Mode uint8

// The modes of a purge.
const (
	// Hard: the response is dead. It is never served again, by no rule about stale responses, and no
	// conditional request is made from it.
	Hard Mode = iota + 1
	// Soft: the response is stale. It must be revalidated, or may be served as the rules about stale
	// responses allow.
	Soft
)

// String is the mode as the API writes it.
func (m Mode) String() string {
	switch m {
	case Hard:
		return "hard"
	case Soft:
		return "soft"
	}
	return "invalid"
}

// ParseMode reads what String writes; "" is Hard.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "", "hard":
		return Hard, nil
	case "soft":
		return Soft, nil
	}
	return 0, fmt.Errorf("mode %q: use hard or soft", s)
}

// Verdict is what the index says of a stored response.
type Verdict uint8

// The verdicts, from good to bad.
const (
	Live  Verdict = iota // no purge concerns it
	Stale                // a soft purge does
	Dead                 // a hard purge does
)

// String is the verdict in words.
func (v Verdict) String() string {
	switch v {
	case Live:
		return "live"
	case Stale:
		return "stale"
	case Dead:
		return "dead"
	}
	return "invalid"
}
