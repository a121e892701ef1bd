//go:build !linux

package main

import "fmt"

func openBare(batch, loopless bool) func() (contestant, error) {
	return func() (contestant, error) {
		return nil, fmt.Errorf("%w: the system calls are Linux's", errUnavailable)
	}
}
