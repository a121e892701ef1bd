//go:build !linux

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/castnet-go/castnet/socket"
)

func newPingSocket(_ context.Context, host string, _ int, _ chan<- answer) (asker, string, error) {
	return nil, "", &socket.NotSupportedError{
		What: "ICMP on the operating system's network",
		Reason: fmt.Sprintf("needs Linux; ask an echo server by UDP, as in castnet ping %s, or use the system's ping",
			net.JoinHostPort(host, "7")),
	}
}
