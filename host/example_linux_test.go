package host_test

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/socket"
)

// A socket answers a datagram from the address that it was sent to.
func Example() {
	var network host.Network
	server, _ := network.Open(socket.IPv4)
	defer server.Close()
	server.Bind(netip.MustParseAddrPort("0.0.0.0:0"))
	server.SetOption(socket.Report, int(socket.FieldLocal))

	client, _ := network.Open(socket.IPv4)
	defer client.Close()
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), server.LocalAddr().Port())
	client.TrySend([]socket.Message{{Buf: []byte("hello"), Addr: to}})

	receive := func(s socket.Socket) socket.Message {
		ms := []socket.Message{{Buf: make([]byte, 1500)}}
		for {
			if _, err := s.TryRecv(ms); err != syscall.EAGAIN {
				return ms[0]
			}
			s.Wait(socket.Readable, nil)
		}
	}
	m := receive(server)
	fmt.Printf("%s, to %v\n", m.Buf, m.Local.Addr())
	m.Reply()
	server.TrySend([]socket.Message{m})
	answer := receive(client)
	fmt.Printf("%s, from %v\n", answer.Buf, answer.Addr.Addr())
	// Output:
	// hello, to 127.0.0.7
	// hello, from 127.0.0.7
}

// FromFD takes over a socket that somebody else has made.
func ExampleFromFD() {
	fd, _ := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	s, err := host.FromFD(fd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(s.Family(), s.LocalAddr())
	// Output: ip4 0.0.0.0:0
}
