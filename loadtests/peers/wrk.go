package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Round is one server under wrk for a while.
type Round struct {
	Rate   float64       // requests a second
	CPU    time.Duration // of the server, for each request
	Missed float64       // requests to the site, for each request
}

// maxMissed is how many requests may go to the site, for each that was answered: the server is measured, not the site.
const maxMissed = 0.001

// wrk loads a server with as many requests as it takes. Errors: answers that are not 200, or that come from the site.
func (r *run) wrk(ctx context.Context, s *server, w workload) (round Round, err error) {
	args := []string{"-t", "1", "-c", strconv.Itoa(r.cfg.Connections), "-d", fmt.Sprintf("%.0fs", r.cfg.Lasting.Seconds()), "--timeout", "10s"}
	url := "http://" + s.addr + w.path(0)
	if w.zipf {
		script := filepath.Join(r.dir, "zipf.lua")
		if err := os.WriteFile(script, []byte(zipfScript(w)), 0o644); err != nil {
			return round, err
		}
		args = append(args, "-s", script)
	}
	before, asked := s.cpu(), r.site.answered.Load()
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	used, missed := s.cpu()-before, r.site.answered.Load()-asked
	if err != nil {
		return round, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	n, rate, err := parseWrk(string(out))
	if err != nil {
		return round, err
	}
	round = Round{Rate: rate, CPU: used / time.Duration(n), Missed: float64(missed) / float64(n)}
	if round.Missed > maxMissed {
		return round, fmt.Errorf("%d of %d requests went to the site", missed, n)
	}
	return round, nil
}

var (
	wrkTotal = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkRate  = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkWrong = regexp.MustCompile(`(?m)^\s*(Non-2xx or 3xx responses: .*|Socket errors: .*)$`)
)

// parseWrk reads how many requests wrk has seen answered, and how many a second.
func parseWrk(out string) (n int64, rate float64, err error) {
	if wrong := wrkWrong.FindString(out); wrong != "" {
		return 0, 0, fmt.Errorf("wrk: %s", strings.TrimSpace(wrong))
	}
	total, a := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	if total == nil || a == nil {
		return 0, 0, fmt.Errorf("wrk said what is not understood:\n%s", out)
	}
	if n, err = strconv.ParseInt(total[1], 10, 64); err != nil || n == 0 {
		return 0, 0, fmt.Errorf("wrk: %q requests", total[1])
	}
	rate, err = strconv.ParseFloat(a[1], 64)
	return n, rate, err
}

// zipfScript has wrk ask for the paths of a case in turn.
func zipfScript(w workload) string {
	var b strings.Builder
	b.WriteString("local requests, next = {}, 0\nlocal paths = {\n")
	for _, path := range w.paths() {
		fmt.Fprintf(&b, "%q,\n", path)
	}
	b.WriteString(`}
init = function(args)
  for i, path in ipairs(paths) do requests[i - 1] = wrk.format("GET", path) end
end
request = function()
  next = (next + 1) % #paths
  return requests[next]
end
`)
	return b.String()
}
