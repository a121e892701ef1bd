package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// memoryRows are what stays in the heap.
func memoryRows() []row {
	const note = "heap in use, after a collection"
	amount := func(name string, k kind, about string, f func() (float64, error)) row {
		return row{name: name, kind: k, unit: "B", about: about, note: note, amount: func(setup) (float64, error) { return f() }}
	}
	return in("amounts",
		amount("memory-stack", ours, "an idle stack with an Ethernet interface and an address", stackMemory),
		amount("memory-stack-gvisor", peer, "gVisor's, with the protocols that the rows use", gvisorStackMemory),
		amount("memory-socket", ours, "a bound socket that has carried nothing, one of 50 000 on a stack", socketMemory),
		amount("memory-socket-gvisor", peer, "gVisor's Endpoint, one of 50 000 on a stack", gvisorSocketMemory),
		amount("memory-empty", ours, "what 300 000 empty datagrams charge to a receive buffer of 32 KiB that nobody reads", func() (float64, error) {
			charged, _, err := emptyMemory()
			return charged, err
		}),
		amount("memory-empty-heap", ours, "what they take in the heap: those that are queued, their queue, and the counters of those that are not", func() (float64, error) {
			_, grown, err := emptyMemory()
			return grown, err
		}),
		amount("memory-empty-gvisor", peer, "what they take in gVisor's heap", gvisorEmptyMemory),
	)
}

// kept returns by how much the heap grows through f, whose result is kept alive.
func kept(f func() (any, error)) (float64, error) {
	before := heap()
	v, err := f()
	after := heap()
	runtime.KeepAlive(v)
	return float64(after) - float64(before), err
}

func stackMemory() (float64, error) {
	const count = 500
	grown, err := kept(func() (any, error) {
		var all []*stack.Stack
		for range count {
			// The wire is not part of the stack, but of a host.
			l, _ := mem.Pair(mem.Config{Queues: 1})
			st, err := stack.New(stack.Config{})
			if err != nil {
				return nil, err
			}
			i, err := st.AddInterface("eth0", l)
			if err == nil {
				err = i.AddAddress(netip.PrefixFrom(netip.AddrFrom4(addrA), 24))
			}
			if err != nil {
				return nil, err
			}
			all = append(all, st)
		}
		return all, nil
	})
	return grown / count, err
}

func gvisorStackMemory() (float64, error) {
	const count = 100
	var all []*gvisor.Stack
	grown, err := kept(func() (any, error) {
		for range count {
			l, _ := pipe.New(tcpip.LinkAddress(macA[:]), tcpip.LinkAddress(macB[:]), mtu)
			st, err := newGVisorStack(l, addrA, setup{}, true)
			if err != nil {
				return nil, err
			}
			all = append(all, st)
		}
		return all, nil
	})
	for _, st := range all {
		st.Destroy()
	}
	return grown / count, err
}

// socketCount is how many sockets share the cost of what a stack keeps for all.
const socketCount = 50000

func socketMemory() (float64, error) {
	n, err := newStackNet(setup{})
	if err != nil {
		return 0, err
	}
	grown, err := kept(func() (any, error) {
		all := make([]socket.Socket, 0, socketCount)
		for k := range socketCount {
			s, err := openSocket(n.a, netip.AddrPortFrom(netip.AddrFrom4(addrA), uint16(10000+k)), netip.AddrPort{}, false)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	})
	const pointers = 16 // of the list, a socket
	return grown/socketCount - pointers, errors.Join(err, n.close())
}

func gvisorSocketMemory() (float64, error) {
	n, err := newGVisorNet(setup{}, true)
	if err != nil {
		return 0, err
	}
	defer n.close()
	grown, err := kept(func() (any, error) {
		all := make([]tcpip.Endpoint, 0, socketCount)
		for k := range socketCount {
			ep, err := newGVisorEndpoint(n.a, uint16(10000+k))
			if err != nil {
				return nil, err
			}
			all = append(all, ep)
		}
		return all, nil
	})
	const pointers = 16
	return grown/socketCount - pointers, err
}

// What is sent to a socket that nobody reads.
const (
	emptyDatagrams = 300000
	emptyBuffer    = 32 << 10
)

// emptyMemory returns what they charge to the receive buffer and take in the heap.
func emptyMemory() (charged, grown float64, err error) {
	n, err := newStackNet(setup{})
	if err != nil {
		return 0, 0, err
	}
	defer n.close()
	from := netip.AddrPortFrom(netip.AddrFrom4(addrA), portA)
	to := netip.AddrPortFrom(netip.AddrFrom4(addrB), portB)
	sender, errA := openSocket(n.a, from, to, true)
	receiver, errB := openSocket(n.b, to, netip.AddrPort{}, false)
	if err := errors.Join(errA, errB); err != nil {
		return 0, 0, err
	}
	// As on Linux, what is set is doubled.
	if err := receiver.SetOption(socket.ReceiveBuffer, emptyBuffer/2); err != nil {
		return 0, 0, err
	}
	if size, err := receiver.Option(socket.ReceiveBuffer); size != emptyBuffer || err != nil {
		return 0, 0, fmt.Errorf("the receive buffer is %d bytes, want %d (error %v)", size, emptyBuffer, err)
	}
	ms := []socket.Message{{}}
	sender.TrySend(ms) // the neighbour's address is asked for
	if _, err := receiver.TryRecv([]socket.Message{{Buf: make([]byte, 1)}}); err != nil {
		return 0, 0, err
	}
	grown, err = kept(func() (any, error) {
		for range emptyDatagrams {
			if _, err := sender.TrySend(ms); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		return 0, 0, err
	}
	st := receiver.Stats()
	queued := 0
	for {
		if _, err := receiver.TryRecv([]socket.Message{{}}); err != nil {
			break
		}
		queued++
	}
	if dropped := st.Dropped[drop.ReceiveQueueFull]; queued == 0 || uint64(queued)+dropped != emptyDatagrams {
		return 0, 0, fmt.Errorf("%d datagrams were queued and %d dropped, want %d in all", queued, dropped, emptyDatagrams)
	}
	return float64(st.ReceiveQueued), grown, nil
}

func gvisorEmptyMemory() (float64, error) {
	opened, err := openGVisor(setup{}, nil, true)
	if err != nil {
		return 0, err
	}
	p := opened.(*gvisorPath)
	defer p.close()
	p.to.SocketOptions().SetReceiveBufferSize(emptyBuffer, true)
	return kept(func() (any, error) {
		for range emptyDatagrams {
			if _, err := p.from.Write(bytes.NewReader(nil), tcpip.WriteOptions{}); err != nil {
				return nil, fmt.Errorf("gVisor: Write: %v", err)
			}
		}
		// Its pipe delivers in the same call, but for what waits for ARP.
		time.Sleep(10 * time.Millisecond)
		return p, nil
	})
}
