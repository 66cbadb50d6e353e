package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestUnderWay_None(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u underWay
		<-u.none()
		u.begin()
		u.begin()
		var waiting sync.WaitGroup
		var ended atomic.Int32
		for range 2 {
			waiting.Go(func() {
				<-u.none()
				ended.Add(1)
			})
			synctest.Wait()
		}
		u.end()
		synctest.Wait()
		if ended.Load() != 0 {
			t.Error("one is still under way")
		}
		u.end()
		waiting.Wait()
		<-u.none()
	})
}

// A fill may begin while somebody waits for those before it: a WaitGroup would panic.
func TestUnderWay_MoreBeginsMeanwhile(t *testing.T) {
	var u underWay
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				u.begin()
				u.end()
			}
		})
		all.Go(func() {
			for range 1000 {
				<-u.none()
			}
		})
	}
	all.Wait()
}
