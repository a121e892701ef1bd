package main

import (
	"context"
	"fmt"
	"time"

	"github.com/castnet-go/castnet/stack"
)

// awaitAddresses waits until the IPv6 addresses of a stack may be used: others are asked
// first whether they have them (RFC 4862, 5.4), a second or two, and nothing can be sent
// from them meanwhile. It is an error if one of those that were asked for is another's.
func awaitAddresses(ctx context.Context, st *stack.Stack) error {
	for {
		ready, err := addressesReady(st)
		if ready || err != nil {
			return err
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func addressesReady(st *stack.Stack) (bool, error) {
	list, err := st.Interfaces()
	if err != nil {
		return false, err
	}
	ready := true
	for _, i := range list {
		iface := st.Interface(i.Name)
		if iface == nil || i.Loopback {
			continue
		}
		for _, a := range iface.Addresses6() {
			switch {
			case a.State == stack.AddressTentative:
				ready = false
			case a.State == stack.AddressDuplicate && a.Origin == stack.OriginManual:
				return false, fmt.Errorf("%v on %s: another host has this address", a.Prefix.Addr(), i.Name)
			}
		}
	}
	return ready, nil
}
