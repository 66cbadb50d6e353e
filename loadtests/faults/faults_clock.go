package faults

import (
	"context"
	"fmt"
	"time"
)

// clockFault is the kind of fault that sets clocks of nodes, by whose wall clock ages are counted.
const clockFault = "clock-node"

// maxStep is the most that a clock is set back.
const maxStep = 5 * time.Second

// clockKinds are faults of clocks.
func clockKinds() []kind {
	return []kind{{name: clockFault, begin: setNode}, {name: "clock-postgres", begin: setPostgres}}
}

func drawStep(t *trouble) int {
	step := 1 + t.draw.below(int(maxStep.Seconds()))
	if t.draw.in(50) {
		step = -step
	}
	return step
}

// setNode sets a node's wall clock, and sets it right again later.
func setNode(_ context.Context, t *trouble) (string, lift, error) {
	name, step := pick(t.draw, nodes()), drawStep(t)
	return fmt.Sprintf("the clock of %s is set by %+d s", name, step), func(context.Context) error { return setClock(name, 0) }, setClock(name, step)
}

// setPostgres sets the database's.
func setPostgres(_ context.Context, t *trouble) (string, lift, error) {
	step := drawStep(t) * pick(t.draw, []int{1, 60, 3600})
	return fmt.Sprintf("the clock of PostgreSQL is set by %+d s", step), func(context.Context) error { return setClock(postgresAddr, 0) }, setClock(postgresAddr, step)
}
