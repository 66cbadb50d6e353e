package simulation

import (
	"testing"

	"tiercache/shared/follower"
	"tiercache/shared/follower/disktest"
	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

// The contract that edge/l1 and regional/l2 pass. As L2 a call takes its time.
func TestContract_StoreDouble(t *testing.T) {
	t.Run("L1", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) object.Store { return newMemory(nil) })
	})
	t.Run("L2", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) object.Store { return newMemory(newChance(1, "l2")) })
	})
}

// doubleMachine is the double of the files in package follower, which pass the same.
type doubleMachine struct{ disk *disk }

func (m *doubleMachine) Start() follower.Disk {
	return &mount{disk: m.disk, ep: newEndpoint("edge-1", "r1")}
}
func (m *doubleMachine) Kill(d follower.Disk) { d.(*mount).ep.end() }
func (m *doubleMachine) Wipe() error          { m.disk.wipe(); return nil }

func TestContract_DiskDouble(t *testing.T) {
	disktest.Run(t, func(*testing.T) disktest.Machine { return &doubleMachine{&disk{}} })
}
