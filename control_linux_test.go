package castnet

import (
	"bytes"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel is the oracle of control messages: a *net.UDPConn of which the
// kernel was asked for them, and a Conn that reports the same fields, must
// return the same bytes in oob.
func TestControlMessagesAreTheKernels(t *testing.T) {
	for _, tc := range []struct {
		name            string
		network, listen string
		to              string
		options         [][2]int
		fields          Fields
	}{
		{"IPv4", "udp4", "127.0.0.1:0", "127.0.0.1", [][2]int{{unix.SOL_IP, unix.IP_PKTINFO}, {unix.SOL_IP, unix.IP_RECVTTL}, {unix.SOL_IP, unix.IP_RECVTOS}}, FieldLocal | FieldInterface | FieldTTL | FieldTOS},
		{"IPv4 packet info", "udp4", "127.0.0.1:0", "127.0.0.1", [][2]int{{unix.SOL_IP, unix.IP_PKTINFO}}, FieldLocal | FieldInterface},
		{"IPv6", "udp6", "[::1]:0", "::1", [][2]int{{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO}, {unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT}, {unix.SOL_IPV6, unix.IPV6_RECVTCLASS}}, FieldLocal | FieldInterface | FieldTTL | FieldTOS},
		{"IPv4 on IPv6", "udp", ":0", "127.0.0.1", [][2]int{{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO}, {unix.SOL_IP, unix.IP_RECVTTL}, {unix.SOL_IP, unix.IP_RECVTOS}}, FieldLocal | FieldInterface | FieldTTL | FieldTOS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			theirs, err := net.ListenPacket(tc.network, tc.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			raw, _ := theirs.(*net.UDPConn).SyscallConn()
			raw.Control(func(fd uintptr) {
				for _, o := range tc.options {
					if err := syscall.SetsockoptInt(int(fd), o[0], o[1], 1); err != nil {
						t.Fatal(err)
					}
				}
			})
			ours := listen(t, Config{Report: tc.fields}, tc.network, tc.listen)

			sender := listen(t, Config{}, tc.network, ":0")
			if err := sender.SetTOS(0x2a); err != nil {
				t.Fatal(err)
			}
			var oob [2][256]byte
			var oobn [2]int
			for i, c := range []interface {
				LocalAddr() net.Addr
				ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
			}{theirs.(*net.UDPConn), ours} {
				to := &net.UDPAddr{IP: net.ParseIP(tc.to), Port: c.LocalAddr().(*net.UDPAddr).Port}
				if _, err := sender.WriteTo([]byte("x"), to); err != nil {
					t.Fatal(err)
				}
				var flags int
				_, oobn[i], flags, _, err = c.ReadMsgUDP(make([]byte, 10), oob[i][:])
				if err != nil || flags != 0 {
					t.Fatalf("ReadMsgUDP: flags %#x, %v", flags, err)
				}
			}
			want, got := oob[0][:oobn[0]], oob[1][:oobn[1]]
			if !bytes.Equal(got, want) {
				t.Errorf("control messages\n got % x\nwant % x", got, want)
			}

			// Too little room is the kernel's MSG_CTRUNC.
			to := &net.UDPAddr{IP: net.ParseIP(tc.to), Port: ours.LocalAddr().(*net.UDPAddr).Port}
			if _, err := sender.WriteTo([]byte("xyz"), to); err != nil {
				t.Fatal(err)
			}
			_, n, flags, _, err := ours.ReadMsgUDP(make([]byte, 1), oob[1][:controlHeaderSize])
			if err != nil || n != 0 || flags != unix.MSG_CTRUNC|unix.MSG_TRUNC {
				t.Errorf("ReadMsgUDP into too little = %d bytes of oob, flags %#x, %v; want 0, %#x", n, flags, err, unix.MSG_CTRUNC|unix.MSG_TRUNC)
			}
		})
	}
}

// What oob asks for reaches the peer.
func TestWriteMsgUDPControl(t *testing.T) {
	server := listen(t, Config{Report: FieldTTL | FieldTOS}, "udp4", "127.0.0.1:0")
	client := listen(t, Config{}, "udp4", "0.0.0.0:0")
	oob := bytes.Join([][]byte{
		control(levelIP, ipTTL, ne32(9)...),
		control(levelIP, ipTOS, ne32(1)...),
		control(levelIP, ipPktinfo, 0, 0, 0, 0, 127, 0, 0, 7, 0, 0, 0, 0),
	}, nil)
	n, oobn, err := client.WriteMsgUDP([]byte("hello"), oob, server.LocalAddr().(*net.UDPAddr))
	if n != 5 || oobn != len(oob) || err != nil {
		t.Fatalf("WriteMsgUDP = %d, %d, %v", n, oobn, err)
	}
	ms := []Message{{Buf: make([]byte, 10)}}
	if _, err := server.ReadBatch(ms); err != nil {
		t.Fatal(err)
	}
	m := ms[0]
	if m.TTL != 9 || m.TOS != 1 || m.Addr.Addr().String() != "127.0.0.7" {
		t.Errorf("arrived with TTL %d, TOS %d from %v; want 9, 1 from 127.0.0.7", m.TTL, m.TOS, m.Addr)
	}

	_, _, err = client.WriteMsgUDP([]byte("x"), control(1, 99, 1), server.LocalAddr().(*net.UDPAddr))
	want := "write udp4 " + client.LocalAddr().String() + "->" + server.LocalAddr().String() + ": control message 1/99 is not supported"
	if err == nil || err.Error() != want {
		t.Errorf("WriteMsgUDP with what nobody knows: %v, want %s", err, want)
	}
}

// Truncation by a short buffer is told by the kernel's flag.
func TestMsgTruncIsTheKernels(t *testing.T) {
	if msgTrunc != unix.MSG_TRUNC || msgCtrunc != unix.MSG_CTRUNC {
		t.Errorf("MSG_TRUNC %#x, MSG_CTRUNC %#x; the kernel's are %#x and %#x", msgTrunc, msgCtrunc, unix.MSG_TRUNC, unix.MSG_CTRUNC)
	}
}
