//go:build race

package host

// Under the race detector sync.Pool forgets things at random.
const raceDetector = true
