//go:build !linux

package main

import "fmt"

func openTUN(*buffers, bool, bool) (path, error) { return nil, errNoTUN }

func openTUNLent(*buffers, bool, bool) (path, error) { return nil, errNoTUN }

func openTUNGVisor(*buffers, bool, bool) (path, error) { return nil, errNoTUN }

var errNoTUN = fmt.Errorf("%w: TUN devices are Linux's", errUnavailable)
