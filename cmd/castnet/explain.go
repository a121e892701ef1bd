package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// explain adds to an error what its reader can do about it.
func explain(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	switch {
	case errors.Is(err, syscall.EACCES) && op.Op == "listen":
		program, e := os.Executable()
		if e != nil {
			program = os.Args[0]
		}
		return fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE; to grant it: "+
			"sudo setcap cap_net_bind_service+ep %s; or take a port from 1024 on", err, program)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another socket has the port (ss -lunp shows whose); port 0 finds a free one", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this network has no such address", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens there", err)
	case errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("%w: no route leads there", err)
	}
	return err
}

// brief returns what an error comes down to, in the words of the errno, if it has
// one.
func brief(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
