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
// belongs. The core packages (stack, wire, packet) may import a few packages of
// the standard library, and of some of those may use a few names only, so that
// they start no timer and no goroutine, and ask the system for nothing: time,
// randomness without a seed, files, sockets, output, the number of cores.
//
// Of whatever reads bytes or text and has a parser's name a fuzz target must make
// use; state machines and their targets are listed in the test.
//
// # Limitations
//
// Nested modules are not looked at: they stand above everything. Types are not
// known to the checks, so that a range over a map, whose order is random, is left
// to the tests of repeatability, and what the packages below the core do, to
// reading.
package floors
