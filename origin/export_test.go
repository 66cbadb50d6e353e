package origin

import "time"

// SetPace makes the origin as impatient as a test needs. Call it before the origin serves.
func (o *Origin) SetPace(stall, chunkTime time.Duration) {
	o.limits = limits{stall: stall, chunkTime: chunkTime}
}

// FillStreams takes all slots for transfers until the returned function is called.
func (o *Origin) FillStreams() (release func()) {
	for range cap(o.streams) {
		o.streams <- struct{}{}
	}
	return func() {
		for range cap(o.streams) {
			<-o.streams
		}
	}
}
