package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/testkit"
)

// connection is what processes have of the bus.
type connection interface {
	Connected() bool
	PublishLog(entries []byte) error
	SubscribeLog(handle func(entries []byte)) (stop func(), err error)
	Renew(ctx context.Context, tier, node string, payload []byte, good func(answer []byte) bool) ([]byte, error)
	Report(tier, node string, payload []byte) error
	Fetch(ctx context.Context, tier string, payload []byte) ([]byte, error)
	ServeRenew(handle func(tier, node string, payload []byte, reply func([]byte))) (stop func(), err error)
	ServeFetch(handle func(tier string, payload []byte, reply func([]byte))) (stop func(), err error)
}

// buses is a server and who talks over it.
type buses interface {
	// connect is the connection of a new process, whose role is edge, regional, origin or control.
	connect(t *testing.T, role string) connection
	// settle returns when the server knows what all have subscribed to and what was asked before has arrived.
	settle(t *testing.T)
	stop(t *testing.T)
	start(t *testing.T)
}

// doubleBuses is the double.
type doubleBuses struct {
	x *broker
	n int
}

func newDoubleBuses(t *testing.T) buses {
	x := newBroker(newNetwork(1))
	t.Cleanup(x.mail.end)
	return &doubleBuses{x: x}
}

func (b *doubleBuses) connect(t *testing.T, role string) connection {
	b.n++
	ep := newEndpoint(fmt.Sprint(role, b.n), "r1")
	t.Cleanup(ep.end)
	return b.x.connect(ep)
}

func (b *doubleBuses) settle(*testing.T) { landed() }
func (b *doubleBuses) stop(*testing.T)   { b.x.setDown(true) }
func (b *doubleBuses) start(*testing.T)  { b.x.setDown(false) }

// realBuses is NATS.
type realBuses struct {
	addr, dir string
	all       []*bus.Bus
	stopped   func()
}

func newRealBuses(t *testing.T) buses {
	b := &realBuses{addr: testkit.FreeAddr(t), dir: t.TempDir()}
	b.start(t)
	return b
}

func (b *realBuses) start(t *testing.T) {
	t.Helper()
	server, err := natsd.New(natsd.Config{Listen: b.addr, Credentials: b.dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- server.Run(ctx, func() { close(ready) }) }()
	next(t, ready)
	ended := false
	b.stopped = func() {
		if cancel(); !ended {
			ended = true
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(b.stopped)
	for _, c := range b.all {
		awaitConnected(t, c, true)
	}
}

func (b *realBuses) stop(t *testing.T) {
	t.Helper()
	b.stopped()
	for _, c := range b.all {
		awaitConnected(t, c, false)
	}
}

func (b *realBuses) connect(t *testing.T, role string) connection {
	t.Helper()
	c := must[*bus.Bus](t)(bus.Connect(t.Context(), bus.Config{URL: "nats://" + b.addr, SeedFile: natsd.SeedFile(b.dir, role), Name: role, Role: role}))
	t.Cleanup(c.Close)
	b.all = append(b.all, c)
	awaitConnected(t, c, true)
	return c
}

// settle: an answer to a flush comes behind all that came before, at the server and then at each receiver.
func (b *realBuses) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range 2 {
		for _, c := range b.all {
			if err := c.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func awaitConnected(t *testing.T, c connection, want bool) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		if got := c.Connected(); got != want {
			return fmt.Errorf("connected: %t", got)
		}
		return nil
	})
}

func TestContract_BusDouble(t *testing.T) { onDouble(t, busContract(), newDoubleBuses) }
func TestContract_Bus(t *testing.T)       { onReal(t, busContract(), newRealBuses) }

// busContract is what callers of the bus rely on. That messages may be lost, repeated and overtaken is no promise.
func busContract() []demand[buses] {
	return []demand[buses]{
		{"TheLogReachesAll", logReachesAll},
		{"TheLogComesOneAtATime", logOneAtATime},
		{"NoneAfterStop", noneAfterStop},
		{"WithoutAServer", withoutAServer},
		{"RenewAsksAllAndTakesTheFirstGood", renewFirstGood},
		{"RenewEndsWithTheLastOfTheOthers", renewLastOther},
		{"RenewWithoutAnAnswer", renewUnanswered},
		{"ReportTellsAll", reportTellsAll},
		{"RequestsAreTakenInTurn", requestsInTurn},
		{"FetchAsksOne", fetchAsksOne},
		{"Nobody", nobodyServes},
		{"ALateAnswerHarmsNobody", lateAnswer},
		{"BytesAreNotShared", busBytes},
	}
}

func subscribed(t *testing.T, c connection, handle func(entries []byte)) (stop func()) {
	t.Helper()
	stop = must[func()](t)(c.SubscribeLog(handle))
	t.Cleanup(stop)
	return stop
}

func servesRenew(t *testing.T, c connection, handle func(tier, node string, payload []byte, reply func([]byte))) (stop func()) {
	t.Helper()
	stop = must[func()](t)(c.ServeRenew(handle))
	t.Cleanup(stop)
	return stop
}

func servesFetch(t *testing.T, c connection, handle func(tier string, payload []byte, reply func([]byte))) (stop func()) {
	t.Helper()
	stop = must[func()](t)(c.ServeFetch(handle))
	t.Cleanup(stop)
	return stop
}

func anything([]byte) bool { return true }

// published publishes entries, which the bus owns from then on.
func published(t *testing.T, c connection, entries string) {
	t.Helper()
	if err := c.PublishLog([]byte(entries)); err != nil {
		t.Fatal(err)
	}
}

func logReachesAll(t *testing.T, with buses) {
	control, origin := with.connect(t, "control"), with.connect(t, "origin")
	var heard []chan string
	for _, c := range []connection{control, with.connect(t, "edge"), with.connect(t, "edge"), with.connect(t, "regional")} {
		messages := make(chan string, 10)
		heard = append(heard, messages)
		subscribed(t, c, func(entries []byte) {
			messages <- string(entries)
			clear(entries) // they are this one's own
		})
	}
	with.settle(t)
	for i, from := range []connection{control, origin} {
		sent := fmt.Sprintf("entries %d", i)
		published(t, from, sent)
		for n, messages := range heard {
			if got := next(t, messages); got != sent {
				t.Errorf("%d heard %q", n, got)
			}
		}
	}
}

func logOneAtATime(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	began, gate := make(chan string, 10), make(chan struct{})
	subscribed(t, edge, func(entries []byte) {
		began <- string(entries)
		<-gate
	})
	others := make(chan string, 10) // the same connection's
	subscribed(t, edge, func(entries []byte) { others <- string(entries) })
	with.settle(t)
	var sent []string
	for i := range 5 {
		sent = append(sent, fmt.Sprint(i))
		published(t, control, sent[i])
	}
	for range sent {
		next(t, others) // another subscription is not held up
	}
	with.settle(t)
	got := []string{next(t, began)}
	if len(began) != 0 {
		t.Error("another message came before the first was dealt with")
	}
	close(gate)
	for range len(sent) - 1 {
		got = append(got, next(t, began))
	}
	if slices.Sort(got); !slices.Equal(got, sent) {
		t.Errorf("heard %v", got)
	}
}

func noneAfterStop(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	began, gate := make(chan string, 10), make(chan struct{})
	stop := subscribed(t, edge, func(entries []byte) {
		began <- string(entries)
		<-gate
	})
	others := make(chan string, 10)
	subscribed(t, edge, func(entries []byte) { others <- string(entries) })
	with.settle(t)
	for i := range 4 {
		published(t, control, fmt.Sprint(i))
	}
	for range 4 {
		next(t, others)
	}
	next(t, began) // three wait behind this one
	stop()
	close(gate)
	published(t, control, "late")
	for next(t, others) != "late" {
		t.Error("a message came twice")
	}
	with.settle(t)
	if len(began) != 0 {
		t.Errorf("%q came after stop", <-began)
	}
	stop() // once more does no harm
}

func withoutAServer(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	heard := make(chan string, 10)
	subscribed(t, edge, func(entries []byte) { heard <- string(entries) })
	servesRenew(t, control, func(_, _ string, _ []byte, reply func([]byte)) { reply([]byte("renewed")) })
	servesFetch(t, control, func(_ string, _ []byte, reply func([]byte)) { reply([]byte("fetched")) })
	with.settle(t)
	if !edge.Connected() || !control.Connected() {
		t.Error("not connected")
	}
	with.stop(t)
	if edge.Connected() || control.Connected() {
		t.Error("connected to a server that is away")
	}
	_, renewed := edge.Renew(t.Context(), "edge", "edge-1", nil, anything)
	_, fetched := edge.Fetch(t.Context(), "edge", nil)
	for what, err := range map[string]error{
		"publish": control.PublishLog([]byte("lost")), "report": edge.Report("edge", "edge-1", []byte("lost")), "renew": renewed, "fetch": fetched,
	} {
		if !errors.Is(err, bus.ErrDisconnected) {
			t.Errorf("%s: %v", what, err)
		}
	}
	with.start(t)
	with.settle(t)
	published(t, control, "found")
	if got := next(t, heard); got != "found" {
		t.Errorf("heard %q", got)
	}
	if got, err := edge.Renew(t.Context(), "edge", "edge-1", nil, anything); err != nil || string(got) != "renewed" {
		t.Errorf("renewed: %q, %v", got, err)
	}
	if got, err := edge.Fetch(t.Context(), "edge", nil); err != nil || string(got) != "fetched" {
		t.Errorf("fetched: %q, %v", got, err)
	}
}

func renewFirstGood(t *testing.T, with buses) {
	first, second, edge := with.connect(t, "control"), with.connect(t, "control"), with.connect(t, "edge")
	asked, refused := make(chan string, 10), make(chan struct{})
	servesRenew(t, first, func(tier, node string, payload []byte, reply func([]byte)) {
		asked <- fmt.Sprint("first ", tier, " ", node, " ", string(payload))
		reply([]byte("bad"))
	})
	servesRenew(t, second, func(tier, node string, payload []byte, reply func([]byte)) {
		asked <- fmt.Sprint("second ", tier, " ", node, " ", string(payload))
		go func() { // answers come later and from anywhere
			<-refused
			reply([]byte("good"))
		}()
	})
	with.settle(t)
	got, err := edge.Renew(t.Context(), "edge", "edge-1", []byte("renew"), func(answer []byte) bool {
		if string(answer) == "good" {
			return true
		}
		close(refused)
		return false
	})
	if err != nil || string(got) != "good" {
		t.Errorf("%q, %v", got, err)
	}
	both := []string{next(t, asked), next(t, asked)}
	if slices.Sort(both); !slices.Equal(both, []string{"first edge edge-1 renew", "second edge edge-1 renew"}) {
		t.Errorf("asked %v", both)
	}
}

func renewLastOther(t *testing.T, with buses) {
	first, second, edge := with.connect(t, "control"), with.connect(t, "control"), with.connect(t, "edge")
	for i, c := range []connection{first, second} {
		servesRenew(t, c, func(_, _ string, _ []byte, reply func([]byte)) { reply(fmt.Append(nil, i)) })
	}
	with.settle(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var answers []string
	got, err := edge.Renew(ctx, "edge", "edge-1", nil, func(answer []byte) bool {
		if answers = append(answers, string(answer)); len(answers) == 2 {
			cancel()
		}
		return false
	})
	if err != nil || len(answers) != 2 || string(got) != answers[1] {
		t.Errorf("%q, %v of %v", got, err, answers)
	}
}

func renewUnanswered(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ignore := func() { cancel(mine) }
	servesRenew(t, control, func(string, string, []byte, func([]byte)) { ignore() })
	servesFetch(t, control, func(string, []byte, func([]byte)) { ignore() })
	with.settle(t)
	if got, err := edge.Renew(ctx, "edge", "edge-1", nil, anything); !errors.Is(err, mine) || got != nil {
		t.Errorf("renew: %q, %v", got, err)
	}
	limited, stop := context.WithTimeout(t.Context(), time.Nanosecond)
	defer stop()
	if got, err := edge.Fetch(limited, "edge", nil); !errors.Is(err, context.DeadlineExceeded) || got != nil {
		t.Errorf("fetch: %q, %v", got, err)
	}
}
