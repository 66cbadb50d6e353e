package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"tiercache/shared/bus"
)

func requestsInTurn(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	began, gate := make(chan string, 10), make(chan struct{})
	servesRenew(t, control, func(_, node string, _ []byte, reply func([]byte)) {
		began <- node
		<-gate
		reply([]byte(node))
	})
	with.settle(t)
	var asked sync.WaitGroup
	for i := range 3 {
		asked.Go(func() {
			node := fmt.Sprint("edge-", i)
			if got, err := edge.Renew(t.Context(), "edge", node, nil, anything); err != nil || string(got) != node {
				t.Errorf("%s: %q, %v", node, got, err)
			}
		})
	}
	next(t, began)
	with.settle(t)
	if len(began) != 0 {
		t.Error("another request was taken before the first was dealt with")
	}
	close(gate)
	asked.Wait()
}

func reportTellsAll(t *testing.T, with buses) {
	edge, heard := with.connect(t, "edge"), []chan string{make(chan string, 10), make(chan string, 10)}
	for _, messages := range heard {
		servesRenew(t, with.connect(t, "control"), func(tier, node string, payload []byte, reply func([]byte)) {
			messages <- fmt.Sprint(tier, " ", node, " ", string(payload))
			clear(payload) // it is this one's own
			reply([]byte("nobody waits for that"))
		})
	}
	with.settle(t)
	for i := range 3 {
		if err := edge.Report("edge", "edge-1", fmt.Append(nil, "report ", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, messages := range heard {
		got := []string{next(t, messages), next(t, messages), next(t, messages)}
		if slices.Sort(got); !slices.Equal(got, []string{"edge edge-1 report 0", "edge edge-1 report 1", "edge edge-1 report 2"}) {
			t.Errorf("heard %q", got)
		}
	}
	if got, err := edge.Renew(t.Context(), "edge", "edge-1", []byte("renew"), anything); err != nil || string(got) != "nobody waits for that" {
		t.Errorf("renewed: %q, %v", got, err)
	}
}

func fetchAsksOne(t *testing.T, with buses) {
	first, second, edge := with.connect(t, "control"), with.connect(t, "control"), with.connect(t, "edge")
	var asked list[string]
	for _, c := range []connection{first, second} {
		servesFetch(t, c, func(tier string, payload []byte, reply func([]byte)) {
			asked.add(tier + " " + string(payload))
			reply(append([]byte("entries behind "), payload...))
		})
	}
	with.settle(t)
	for i := range 10 {
		got, err := edge.Fetch(t.Context(), "edge", fmt.Append(nil, i))
		if err != nil || string(got) != fmt.Sprint("entries behind ", i) {
			t.Errorf("%q, %v", got, err)
		}
	}
	with.settle(t)
	all := asked.all()
	for i, got := range all {
		if got != fmt.Sprint("edge ", i) {
			t.Errorf("asked %v", all)
		}
	}
	if len(all) != 10 {
		t.Errorf("asked %d times", len(all))
	}
}

func nobodyServes(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	wantNobody := func(when string) {
		t.Helper()
		with.settle(t)
		if _, err := edge.Renew(t.Context(), "edge", "edge-1", nil, anything); !errors.Is(err, bus.ErrNobody) {
			t.Errorf("%s: renew: %v", when, err)
		}
		if _, err := edge.Fetch(t.Context(), "edge", nil); !errors.Is(err, bus.ErrNobody) {
			t.Errorf("%s: fetch: %v", when, err)
		}
	}
	wantNobody("at first")
	stopRenew := servesRenew(t, control, func(_, _ string, _ []byte, reply func([]byte)) { reply([]byte("x")) })
	stopFetch := servesFetch(t, control, func(_ string, _ []byte, reply func([]byte)) { reply([]byte("x")) })
	with.settle(t)
	if _, err := edge.Renew(t.Context(), "edge", "edge-1", nil, anything); err != nil {
		t.Errorf("served: %v", err)
	}
	stopRenew()
	stopFetch()
	wantNobody("after stop")
}

func lateAnswer(t *testing.T, with buses) {
	control, edge := with.connect(t, "control"), with.connect(t, "edge")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var late func([]byte)
	servesRenew(t, control, func(_, node string, _ []byte, reply func([]byte)) {
		if node == "edge-1" {
			late = reply
			cancel()
			return
		}
		late([]byte("of another request"))
		reply([]byte("mine"))
		reply([]byte("mine")) // nor does one that comes twice
	})
	with.settle(t)
	if got, err := edge.Renew(ctx, "edge", "edge-1", nil, anything); err == nil {
		t.Errorf("the first: %q", got)
	}
	for range 3 {
		if got, err := edge.Renew(t.Context(), "edge", "edge-2", nil, anything); err != nil || string(got) != "mine" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func busBytes(t *testing.T, with buses) {
	first, second, edge := with.connect(t, "control"), with.connect(t, "control"), with.connect(t, "edge")
	asked := make(chan string, 10)
	for _, c := range []connection{first, second} {
		answer := func(payload []byte, reply func([]byte)) {
			asked <- string(payload)
			clear(payload) // it is this one's own
			said := []byte("answer")
			reply(said)
			clear(said) // and so is the answer, once it was given
		}
		servesRenew(t, c, func(_, _ string, payload []byte, reply func([]byte)) { answer(payload, reply) })
		servesFetch(t, c, func(_ string, payload []byte, reply func([]byte)) { answer(payload, reply) })
	}
	with.settle(t)
	payload := []byte("payload")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, err := edge.Renew(ctx, "edge", "edge-1", payload, func(answer []byte) bool {
		if string(answer) != "answer" {
			t.Errorf("renewed: %q", answer)
		}
		if len(asked) == 2 {
			cancel()
		}
		return false
	})
	if err != nil || string(got) != "answer" || string(payload) != "payload" {
		t.Errorf("%q, %v; the payload is %q", got, err, payload)
	}
	if got, err := edge.Fetch(t.Context(), "edge", payload); err != nil || string(got) != "answer" || string(payload) != "payload" {
		t.Errorf("%q, %v; the payload is %q", got, err, payload)
	}
	for range 3 {
		if got := next(t, asked); got != "payload" {
			t.Errorf("asked %q", got)
		}
	}
}
