package control

import (
	"fmt"
	"time"

	"tiercache/control/client"
)

// maxWait bounds how long a request may wait for receipts.
const maxWait = time.Minute

// parseWait reads a body's member wait: empty is not at all. The error is one for the client.
func parseWait(s string) (time.Duration, error) {
	wait, err := duration(s)
	if err != nil {
		return 0, mistaken("no such time to wait", client.Mistake{Location: "body.wait", Message: err.Error()})
	}
	return wait, nil
}

func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(s)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, fmt.Errorf("wait %.40q is not a duration such as 2s, of at most %v", s, maxWait)
	}
	return wait, nil
}
