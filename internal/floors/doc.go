// Package floors holds the project to its architecture: a test that fails when
// a package imports one that stands above it, and when the core, which must be
// repeatable, reaches for the world outside.
//
//	go test ./internal/floors
//
// # How it works
//
// The packages of the module are listed in the order in which they stand on
// each other; each may import those listed before it and no others. A package
// that is not listed fails the test, so that somebody has to say where it
// belongs. The core packages (stack, wire, packet) are also read for wall-clock
// time, goroutines, and randomness without a seed.
//
// # Limitations
//
// Nested modules are not looked at: they stand above everything.
package floors
