package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/token"
)

// muchLater is when a command ends that has no use for its --timeout, or later.
const muchLater = 15 * time.Second

// hanging is the URL of a server that takes connections and says nothing, as one does that was stopped.
func hanging(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes them
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return "http://" + ln.Addr().String()
}

// tokenDir is a data directory with a token that nobody checks.
func tokenDir(t *testing.T) string {
	t.Helper()
	t.Setenv(token.Variable, "")
	return filepath.Dir(writeOver(t, filepath.Join(t.TempDir(), token.FileName), token.Generate()))
}

func TestTimeout_BoundsTheWholeCommand(t *testing.T) {
	dir, away := tokenDir(t), hanging(t)
	control := " --control " + away + " --data-dir " + dir + " --timeout 200ms"
	origin := " --origin " + away + " --data-dir " + dir + " --timeout 200ms"
	file := writeTemp(t, "name: shop\nhosts: [shop.example]\nupstream: origin\n")
	for line, says := range map[string]string{
		"purge --all" + control:                               "--idempotency-key",
		"purge --all --wait" + control:                        "it may have been purged",
		"purge --all --wait -o json" + control:                "it may have been purged",
		"purge --all --dry-run" + control:                     "no answer within --timeout 200ms",
		"service activate shop" + control:                     "no answer within --timeout 200ms",
		"service activate shop 1 --wait" + control:            "no answer within --timeout 200ms",
		"service put " + file + " --activate" + control:       "no answer within --timeout 200ms",
		"drain edge-1" + control:                              "no answer within --timeout 200ms",
		"object put h.example/x " + file + origin:             "not within 200ms; it may have been done",
		"object put h.example/x " + file + " --wait" + origin: "not within 200ms; it may have been done",
		"object rm h.example/x --wait" + origin:               "not within 200ms; it may have been done",
	} {
		began := time.Now()
		_, err := execute(strings.Fields(line)...)
		if took := time.Since(began); exitCode(err) != 1 || err == nil || !strings.Contains(err.Error(), says) || took > muchLater {
			t.Errorf("%s: %v, after %v", line, err, took)
		}
	}
}

// A purge that was made is told as pending when control hangs from then on.
func TestTimeout_PurgeOfWhichNoMoreIsHeardIsPending(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"p1","epoch":7,"state":"pending","nodes":[{"node":"edge-1","tier":"edge","region":"r1","state":"pending"}]}`)
	}))
	t.Cleanup(s.Close)
	began := time.Now()
	out, err := execute("purge", "--all", "--wait", "--timeout", "2s", "--control", s.URL, "--data-dir", tokenDir(t))
	if took := time.Since(began); exitCode(err) != exitPending || !strings.Contains(out, "purge p1 epoch 7") || !strings.Contains(out, "pending   edge-1") || took > muchLater {
		t.Errorf("%v after %v: %s", err, took, out)
	}
}

func TestUsage_NumbersTimesAndSizes(t *testing.T) {
	dir := tokenDir(t)
	node := writeTemp(t, "services: [{name: s, hosts: ['*'], upstream: 'http://127.0.0.1:1'}]\n")
	commands := map[string]string{
		"purge --all":                        "--timeout",
		"service activate x":                 "--timeout",
		"service put x":                      "--timeout",
		"drain x":                            "--timeout",
		"object put h/x x":                   "--timeout",
		"object rm h/x":                      "--timeout",
		"object import " + dir + " --host h": "--jobs",
		"purge ls":                           "--limit",
		"activity":                           "--limit",
		"up --data-dir " + dir:               "--edges --regions --regionals --l1-size",
		"edge --config " + node:              "--drain-timeout --l1-size",
	}
	for command, flags := range commands {
		for flag := range strings.FieldsSeq(flags) {
			for _, value := range []string{"0", "0s", "-1", "-1s", "abc", "", "5 s", "99999999999999999999", "999999999h", "9999999TiB"} {
				out, err := execute(append(strings.Fields(command), flag+"="+value)...)
				wanted := exitUsage
				if strings.HasPrefix(command, "edge") && err != nil && !strings.Contains(err.Error(), "invalid argument") {
					wanted = 78 // of the settings, whatever they come from
				}
				if err == nil || exitCode(err) != wanted || !strings.Contains(err.Error(), strings.Trim(strings.ReplaceAll(flag, "-", "_"), "_")) && !strings.Contains(err.Error(), flag) {
					t.Errorf("%s %s=%q: %v %s", command, flag, value, err, out)
				}
			}
		}
	}
	for _, line := range []string{"activity --before=-1", "events --since=-1", "object get h/x --version=-1", "service put x --if-version=-2", "object put h/x", "object rm", "object import .", "up x", "version x"} {
		if _, err := execute(strings.Fields(line)...); exitCode(err) != exitUsage || err == nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A control that is away for a moment after the purge was made is asked again.
func TestTimeout_PurgeIsFollowedWhileControlIsAway(t *testing.T) {
	var looks atomic.Int32
	answer := func(w http.ResponseWriter) {
		switch looks.Add(1) {
		case 1:
			http.Error(w, "the database is away", http.StatusServiceUnavailable)
		case 2:
			http.Error(w, "something went wrong", http.StatusInternalServerError)
		case 3:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			fmt.Fprint(w, `{"id":"p1","epoch":7,"state":"complete","nodes":[{"node":"edge-1","state":"applied","ms":3}]}`)
		}
	}
	out, err := execute(purgeAt(t, answer, "--timeout", "20s")...)
	if err != nil || looks.Load() != 4 || !strings.Contains(out, "applied   edge-1") {
		t.Errorf("%v after %d looks: %s", err, looks.Load(), out)
	}
}

func TestTimeout_PurgeOfWhichControlDoesNotTellIsPending(t *testing.T) {
	for status, says := range map[int]string{503: "503 Service Unavailable", 401: "refuses the token", 404: "404 Not Found"} {
		began := time.Now()
		out, err := execute(purgeAt(t, func(w http.ResponseWriter) { w.WriteHeader(status) }, "--timeout", "2s", "--idempotency-key", "k-17")...)
		if took := time.Since(began); exitCode(err) != exitPending || err == nil || !strings.Contains(out, "pending   edge-1") || took > muchLater {
			t.Fatalf("%d: %v after %v: %s", status, err, took, out)
		}
		for _, want := range []string{says, "purged, but", "purge get p1", "--idempotency-key k-17"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%d: %q is not in: %v", status, want, err)
			}
		}
	}
}

// What control says last counts: it was away before, and a node is pending.
func TestTimeout_PurgeIsPendingAfterControlWasAway(t *testing.T) {
	var looks atomic.Int32
	out, err := execute(purgeAt(t, func(w http.ResponseWriter) {
		if looks.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"id":"p1","epoch":7,"state":"pending","nodes":[{"node":"edge-1","state":"pending"}]}`)
	}, "--timeout", "2s")...)
	if exitCode(err) != exitPending || !errors.Is(err, errPurgePending) || looks.Load() < 2 {
		t.Errorf("%v after %d looks: %s", err, looks.Load(), out)
	}
}

// purgeAt is a purge with --wait at a control that commits it, and answers what is asked about it then.
func purgeAt(t *testing.T, answer func(http.ResponseWriter), flags ...string) []string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			answer(w)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"p1","epoch":7,"state":"pending","nodes":[{"node":"edge-1","tier":"edge","region":"r1","state":"pending"}]}`)
	}))
	t.Cleanup(s.Close)
	return append([]string{"purge", "--all", "--wait", "--control", s.URL, "--data-dir", tokenDir(t)}, flags...)
}

func TestUsage_IdempotencyKeys(t *testing.T) {
	for _, key := range []string{"caf\u00e9", "a\nb", strings.Repeat("k", 256)} {
		if _, err := execute("purge", "--all", "--idempotency-key", key); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--idempotency-key: an idempotency key has") {
			t.Errorf("%.20q: %v", key, err)
		}
	}
}
