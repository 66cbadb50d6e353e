//go:build !race

package l1

// raceDetector is whether this is a build whose memory use is not the program's.
const raceDetector = false
