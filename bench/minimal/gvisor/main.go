// Command gvisor does on gVisor's netstack what the command beside it does on
// castnet's. It is built to be weighed.
package main

import (
	"bytes"
	"fmt"
	"os"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	la, lb := pipe.New("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", 1500)
	var queue waiter.Queue
	a, err := open(la, [4]byte{10, 0, 0, 1}, new(waiter.Queue))
	if err != nil {
		return err
	}
	b, err := open(lb, [4]byte{10, 0, 0, 2}, &queue)
	if err != nil {
		return err
	}
	to := tcpip.FullAddress{Addr: tcpip.AddrFrom4([4]byte{10, 0, 0, 2}), Port: 7}
	if err := b.Bind(to); err != nil {
		return fmt.Errorf("bind: %v", err)
	}
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	queue.EventRegister(&entry)
	if _, err := a.Write(bytes.NewReader([]byte("hello")), tcpip.WriteOptions{To: &to}); err != nil {
		return fmt.Errorf("write: %v", err)
	}
	<-readable
	var got bytes.Buffer
	if _, err := b.Read(&got, tcpip.ReadOptions{}); err != nil {
		return fmt.Errorf("read: %v", err)
	}
	fmt.Println(got.String())
	return nil
}

func open(l stack.LinkEndpoint, addr [4]byte, queue *waiter.Queue) (tcpip.Endpoint, error) {
	st := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol},
	})
	if err := st.CreateNIC(1, ethernet.New(l)); err != nil {
		return nil, fmt.Errorf("create: %v", err)
	}
	with := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr), PrefixLen: 24}
	if err := st.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: with}, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("address: %v", err)
	}
	st.SetRouteTable([]tcpip.Route{{Destination: with.Subnet(), NIC: 1}})
	ep, err := st.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, queue)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %v", err)
	}
	return ep, nil
}
