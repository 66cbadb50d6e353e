package local

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/platform"
)

func TestReportLate_SaysWhatKeepsTheStartAndWhenThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		late := func() []platform.Late {
			switch passed := time.Since(began); {
			case passed < 10*time.Second:
				return []platform.Late{{Service: "postgres", Why: "it is starting"}, {Service: "edge-1", Why: "it waits for control"}}
			case passed < 10400*time.Millisecond: // for one look
				return []platform.Late{{Service: "postgres", Why: "passing"}, {Service: "edge-1", Why: "it waits for control"}}
			case passed < 20*time.Second:
				return []platform.Late{{Service: "postgres", Why: "connection refused"}, {Service: "edge-1", Why: "it waits for control"}}
			}
			return []platform.Late{{Service: "edge-1", Why: "it waits for control"}}
		}
		var got []string
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		reportLate(ctx, late, func(service, line string) {
			got = append(got, fmt.Sprintf("%v %s %s", time.Since(began), service, line))
		})
		want := []string{
			"5s postgres is not ready yet: it is starting",
			"5s edge-1 is not ready yet: it waits for control",
			"11s postgres is not ready yet: connection refused",
			"20s postgres is ready",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestReportLate_AStartInTimeIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), latePatience-time.Millisecond)
		defer cancel()
		reportLate(ctx, func() []platform.Late { return []platform.Late{{Service: "x", Why: "y"}} }, func(service, line string) {
			t.Errorf("%s %s", service, line)
		})
	})
}
