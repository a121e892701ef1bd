//go:build !linux

package netns

import (
	"errors"
	"os/exec"
	"testing"
)

// A Namespace is a network namespace; there is none on this system.
type Namespace struct{ _ int }

var errNotLinux = errors.New("network namespaces need Linux")

// New skips the test.
func New(tb testing.TB) *Namespace {
	tb.Helper()
	tb.Skip(errNotLinux)
	return nil
}

// The methods of a Namespace; there is none on this system.
func (*Namespace) Do(func())                                {}
func (*Namespace) Start(*exec.Cmd) error                    { return errNotLinux }
func (*Namespace) Run(testing.TB, string, ...string) string { return "" }
func (*Namespace) Try(string, ...string) (string, error)    { return "", errNotLinux }
func (*Namespace) Sysctl(testing.TB, string, string)        {}
