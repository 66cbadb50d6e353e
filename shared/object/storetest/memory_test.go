package storetest_test

import (
	"testing"

	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

func TestMemory_Contract(t *testing.T) {
	storetest.Run(t, func(*testing.T) object.Store { return &storetest.Memory{} }, storetest.Walks())
}
