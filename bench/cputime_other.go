//go:build !linux

package main

import "time"

var started = time.Now()

// processTime is the time on the wall where there is no other.
func processTime() time.Duration { return time.Since(started) }
