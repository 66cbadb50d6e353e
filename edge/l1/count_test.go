package l1

import (
	"testing"

	"tiercache/shared/holdings/holdingstest"
)

func TestCache_Count(t *testing.T) { holdingstest.Count(t, newCache(t, 256<<20)) }
