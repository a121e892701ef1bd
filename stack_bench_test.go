package castnet_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
)

// BenchmarkStack sends a datagram from one stack to another and reads it: by
// the bare sockets, and by each way of a Conn. Across the wire everything
// happens inside the write, so one goroutine does it all.
func BenchmarkStack(b *testing.B) {
	s1, s2, err := wire()
	if err != nil {
		b.Fatal(err)
	}
	defer s1.Close()
	defer s2.Close()
	ctx := context.Background()
	cfg1, cfg2 := castnet.Config{On: s1}, castnet.Config{On: s2}
	server, err := cfg2.Listen(ctx, "udp4", "10.0.0.2:7")
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	client, err := cfg1.Dial(ctx, "udp4", "10.0.0.2:7")
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	free, err := cfg1.Listen(ctx, "udp4", "10.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer free.Close()

	bareServer, _ := s2.Open(socket.IPv4)
	defer bareServer.Close()
	bareServer.Bind(netip.MustParseAddrPort("10.0.0.2:8"))
	bareClient, _ := s1.Open(socket.IPv4)
	defer bareClient.Close()
	bareClient.Connect(netip.MustParseAddrPort("10.0.0.2:8"))
	bareFree, _ := s1.Open(socket.IPv4)
	defer bareFree.Close()

	for _, size := range []int{64, 1400} {
		payload, buf := make([]byte, size), make([]byte, 2048)
		to := netip.MustParseAddrPort("10.0.0.2:7")
		var toAddr net.Addr = net.UDPAddrFromAddrPort(to)
		out, in := []socket.Message{{Buf: payload}}, []socket.Message{{Buf: buf}}
		outTo := []socket.Message{{Buf: payload, Addr: netip.MustParseAddrPort("10.0.0.2:8")}}
		check := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		for _, bm := range []struct {
			name string
			run  func()
		}{
			{"bare/connected", func() {
				_, err := bareClient.TrySend(out)
				check(err)
				in[0].Buf = buf
				_, err = bareServer.TryRecv(in)
				check(err)
			}},
			{"Conn/connected", func() {
				_, err := client.Write(payload)
				check(err)
				_, err = server.Read(buf)
				check(err)
			}},
			{"bare/unconnected", func() {
				_, err := bareFree.TrySend(outTo)
				check(err)
				in[0].Buf = buf
				_, err = bareServer.TryRecv(in)
				check(err)
			}},
			{"Conn/AddrPort", func() {
				_, err := free.WriteToUDPAddrPort(payload, to)
				check(err)
				_, _, err = server.ReadFromUDPAddrPort(buf)
				check(err)
			}},
			{"Conn/net.Addr", func() {
				_, err := free.WriteTo(payload, toAddr)
				check(err)
				_, _, err = server.ReadFrom(buf)
				check(err)
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d", bm.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					bm.run()
				}
			})
		}
	}
}
