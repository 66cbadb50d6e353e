package redis_test

import (
	"testing"

	"tiercache/shared/holdings/holdingstest"
	"tiercache/shared/testkit"
)

func TestStore_Count(t *testing.T) { holdingstest.Count(t, open(t, nil, testkit.Redis(t).Addr)) }
