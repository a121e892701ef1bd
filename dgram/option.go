package dgram

import (
	"math"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// set makes a call of the handle's an Error.
func (s *Socket) set(call string, set func() error) error {
	if s.handle == nil {
		return ErrSocketDgramNotRunning
	}
	if err := set(); err != nil {
		return sysError(call, err)
	}
	return nil
}

// SetBroadcast permits to send to broadcast addresses; without it that is EACCES. As
// with all that is set, EBADF: the socket is not bound.
func (s *Socket) SetBroadcast(on bool) error {
	return s.set("setBroadcast", func() error { return s.handle.SetBroadcast(on) })
}

// SetTTL sets the TTL, or hop limit, of datagrams to one: 1 to 255, else EINVAL.
func (s *Socket) SetTTL(ttl int) error {
	return s.set("setTTL", func() error { return s.handle.SetTTL(ttl) })
}

// SetMulticastTTL sets that of datagrams to groups: 0 to 255, else EINVAL. It is 1 at
// first, so that they do not leave the subnet.
func (s *Socket) SetMulticastTTL(ttl int) error {
	return s.set("setMulticastTTL", func() error { return s.handle.SetMulticastTTL(ttl) })
}

// SetMulticastLoopback says whether this host hears what the socket sends to groups. It
// does at first.
func (s *Socket) SetMulticastLoopback(on bool) error {
	return s.set("setMulticastLoopback", func() error { return s.handle.SetMulticastLoop(on) })
}

// SetMulticastInterface says by which interface datagrams to groups leave: the one that
// has the IPv4 address, for udp6 that in the zone ("::%eth0"), or the one of that name.
// "0.0.0.0" and "::" leave it to the route. EINVAL: no address and no interface's name.
// EADDRNOTAVAIL: nobody's address or zone. ENOPROTOOPT: an IPv6 address on udp4.
func (s *Socket) SetMulticastInterface(name string) error {
	return s.set("setMulticastInterface", func() error {
		if _, err := s.handle.LocalAddr(); err != nil {
			return err
		}
		by, index, err := s.interfaceNamed(name)
		switch {
		case err != nil:
			return err
		case index != 0:
			return s.handle.SetOption(socket.MulticastInterface, index)
		case by.Is6() && s.family == socket.IPv4:
			return syscall.ENOPROTOOPT
		}
		return s.handle.SetMulticastInterface(by)
	})
}

// interfaceNamed returns the address by which an interface is named, or, if it is named
// by its name, its index.
func (s *Socket) interfaceNamed(name string) (by netip.Addr, index int, err error) {
	if by, err := netip.ParseAddr(name); err == nil {
		return by, 0, nil
	}
	list, err := s.opts.On.Interfaces()
	if err != nil {
		return by, 0, err
	}
	for _, i := range list {
		if i.Name == name {
			return by, i.Index, nil
		}
	}
	return by, 0, syscall.EINVAL
}

// bufferSize sets a buffer's size, unless that is 0, and returns it as it is then.
func (s *Socket) bufferSize(o socket.Option, call string, size int) (int, error) {
	switch {
	case s.handle == nil:
		return 0, ErrSocketDgramNotRunning
	case size < 0 || int64(size) > math.MaxUint32:
		return 0, ErrSocketBadBufferSize
	case int64(size) > math.MaxInt32:
		return 0, bufferError(call, syscall.EINVAL)
	}
	if size > 0 {
		if err := s.handle.SetOption(o, size); err != nil {
			return 0, bufferError(call, err)
		}
	}
	n, err := s.handle.Option(o)
	if err != nil {
		return 0, bufferError(call, err)
	}
	return n, nil
}

const (
	recvBufferCall = "uv_recv_buffer_size"
	sendBufferCall = "uv_send_buffer_size"
)

// SetRecvBufferSize sets how many bytes may wait to be received; 0 changes nothing.
// What is read is twice of it on Linux, which counts its own bookkeeping.
//
// ErrSocketBadBufferSize: negative, or more than 32 bits. ErrSocketBufferSize, with
// Info: the socket is not bound (EBADF), or the network refuses (EINVAL).
func (s *Socket) SetRecvBufferSize(size int) error {
	_, err := s.bufferSize(socket.ReceiveBuffer, recvBufferCall, size)
	return err
}

// RecvBufferSize returns the size of the receive buffer in bytes.
func (s *Socket) RecvBufferSize() (int, error) {
	return s.bufferSize(socket.ReceiveBuffer, recvBufferCall, 0)
}

// SetSendBufferSize sets how many bytes may be under way out of the host; else it is
// SetRecvBufferSize.
func (s *Socket) SetSendBufferSize(size int) error {
	_, err := s.bufferSize(socket.SendBuffer, sendBufferCall, size)
	return err
}

// SendBufferSize returns the size of the send buffer in bytes.
func (s *Socket) SendBufferSize() (int, error) {
	return s.bufferSize(socket.SendBuffer, sendBufferCall, 0)
}
