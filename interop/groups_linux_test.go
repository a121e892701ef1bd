package interop

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
)

// kernelSocketOn returns a socket of a namespace's kernel, bound to the address and
// sending to groups by the device.
func (f *family) kernelSocketOn(t *testing.T, ns *netns.Namespace, device string, bind netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	var dev *net.Interface
	var err error
	ns.Do(func() {
		if dev, err = net.InterfaceByName(device); err == nil {
			c, err = net.ListenUDP(f.network, net.UDPAddrFromAddrPort(bind))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	f.control(t, c, func(d int) error {
		if f.is6() {
			return unix.SetsockoptInt(d, f.level, unix.IPV6_MULTICAST_IF, dev.Index)
		}
		return unix.SetsockoptIPMreqn(d, f.level, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(dev.Index)})
	})
	return c
}

func (f *family) control(t *testing.T, c *net.UDPConn, set func(int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		if e := raw.Control(func(d uintptr) { err = set(int(d)) }); e != nil {
			err = e
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// kernelMember returns a socket of a namespace's kernel that hears of the port what is
// sent to groups it joins, and nothing that others there have joined.
func (f *family) kernelMember(t *testing.T, ns *netns.Namespace, device string, port int) *net.UDPConn {
	t.Helper()
	c := f.kernelSocketOn(t, ns, device, netip.AddrPortFrom(f.unspecified(), uint16(port)))
	option := unix.IP_MULTICAST_ALL
	if f.is6() {
		option = unix.IPV6_MULTICAST_ALL
	}
	f.control(t, c, func(d int) error { return unix.SetsockoptInt(d, f.level, option, 0) })
	return c
}

// changeGroup changes what a socket of a kernel's hears, by the calls that are the same
// for both families (RFC 3678, 5): MCAST_JOIN_GROUP and the like.
func (f *family) changeGroup(t *testing.T, ns *netns.Namespace, device string, c *net.UDPConn, option int, group, source netip.Addr) {
	t.Helper()
	var dev *net.Interface
	var err error
	ns.Do(func() { dev, err = net.InterfaceByName(device) })
	if err != nil {
		t.Fatal(err)
	}
	// struct group_req and struct group_source_req: an index and, as aligned as a
	// pointer is, one or two struct sockaddr_storage.
	request := binary.NativeEndian.AppendUint32(nil, uint32(dev.Index))
	request = append(request, 0, 0, 0, 0)
	for _, a := range []netip.Addr{group, source} {
		if !a.IsValid() {
			break
		}
		s := make([]byte, 128)
		if at := 4; a.Is6() {
			binary.NativeEndian.PutUint16(s, unix.AF_INET6)
			copy(s[at+4:], a.AsSlice())
		} else {
			binary.NativeEndian.PutUint16(s, unix.AF_INET)
			copy(s[at:], a.AsSlice())
		}
		request = append(request, s...)
	}
	f.control(t, c, func(d int) error { return unix.SetsockoptString(d, f.level, option, string(request)) })
}

// A heard datagram is what it says of where it was from and went to, and what we were
// told of that.
type heard struct {
	from, to netip.Addr
}

// listenGroups returns a Conn of ours that hears the port and is told of each datagram
// where it was sent to.
func (w *world) listenGroups(port int) *castnet.Conn {
	w.t.Helper()
	cfg := castnet.Config{On: w.stack}
	c, err := cfg.Listen(w.t.Context(), w.family.network, fmt.Sprintf(":%d", port))
	w.conn(c, err)
	if err := c.SetReport(socket.FieldLocal | socket.FieldInterface | socket.FieldTTL); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// end of what is to be heard: nothing comes later than what was sent before.
const endOfRound = "end of round"

// hearRound reads until the round ends, and returns who was heard in which group.
func (w *world) hearRound(c *castnet.Conn) (list []heard) {
	w.t.Helper()
	buf := make([]castnet.Message, 1)
	for {
		buf[0].Buf = make([]byte, 100)
		if _, err := c.ReadBatch(buf); err != nil {
			w.t.Fatalf("after %v: %v", list, err)
		}
		m := &buf[0]
		if string(m.Buf) == endOfRound {
			return list
		}
		var from, to string
		if _, err := fmt.Sscan(string(m.Buf), &from, &to); err != nil {
			w.t.Fatalf("received %q: %v", m.Buf, err)
		}
		h := heard{netip.MustParseAddr(from), netip.MustParseAddr(to)}
		if m.Addr.Addr() != h.from || m.Local.Addr() != h.to || m.Interface != w.iface.Index() || m.TTL != 1 {
			w.t.Errorf("what %v sent to %v came from %v to %v by interface %d with TTL %d; want interface %d, TTL 1",
				h.from, h.to, m.Addr.Addr(), m.Local.Addr(), m.Interface, m.TTL, w.iface.Index())
		}
		list = append(list, h)
	}
}

// The kernel's sockets send to groups, and a Conn of ours hears of them what it has
// joined: any source, any but one, and some only.
func TestKernelSendsToGroups(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openDirect()
		const port = 7100
		c := w.listenGroups(port)
		asm, ssm, twin := f.groups[0], f.ssm[0], f.twin
		a, b, third := f.kernel[0], f.kernel[1], f.kernel[2]
		var senders []*net.UDPConn
		for _, k := range f.kernel {
			senders = append(senders, f.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(k, port)))
		}
		drops := map[drop.Reason]uint64{}
		// Each source sends to a group that is joined at times, to one whose frames
		// look the same to the card, to one that nobody joins, and to one of sources.
		round := func(name string, want ...heard) {
			t.Helper()
			for i, s := range senders {
				for _, g := range []netip.Addr{asm, twin, f.groups[3], ssm} {
					text := fmt.Sprint(f.kernel[i], " ", g)
					if _, err := s.WriteToUDPAddrPort([]byte(text), netip.AddrPortFrom(g, port)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := senders[0].WriteToUDPAddrPort([]byte(endOfRound), netip.AddrPortFrom(f.ours, port)); err != nil {
				t.Fatal(err)
			}
			if got := w.hearRound(c); !slices.Equal(got, want) {
				t.Errorf("%s: heard %v, want %v", name, got, want)
			}
			w.wantDrops(drops)
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		round("nothing is joined")
		do(c.JoinGroup("cn0", asm))
		drops[drop.NotAMember] += 3 // sent to the twin
		round("any source", heard{a, asm}, heard{b, asm}, heard{third, asm})
		do(c.ExcludeSourceSpecificGroup("cn0", asm, b))
		drops[drop.NotAMember] += 3
		drops[drop.SourceFiltered]++
		round("any but one", heard{a, asm}, heard{third, asm})
		do(c.IncludeSourceSpecificGroup("cn0", asm, b))
		drops[drop.NotAMember] += 3
		round("any again", heard{a, asm}, heard{b, asm}, heard{third, asm})
		do(c.LeaveGroup("cn0", asm))
		round("left") // the card does not let it in any more
		do(c.JoinSourceSpecificGroup("cn0", ssm, b))
		drops[drop.SourceFiltered] += 2
		round("one source", heard{b, ssm})
		do(c.JoinSourceSpecificGroup("cn0", ssm, third))
		drops[drop.SourceFiltered]++
		round("two sources", heard{b, ssm}, heard{third, ssm})
		do(c.LeaveSourceSpecificGroup("cn0", ssm, b))
		drops[drop.SourceFiltered] += 2
		round("the other source", heard{third, ssm})
		do(c.LeaveSourceSpecificGroup("cn0", ssm, third))
		round("no source")
		if m := c.Memberships(); len(m) != 0 {
			t.Errorf("the last source was left, and there are %v", m)
		}
	})
}

// Conns of ours send to groups, and the kernel's sockets hear of them what they have
// joined.
func TestKernelHearsGroups(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openDirect()
		if err := w.iface.AddAddress(f.prefix(f.second)); err != nil {
			t.Fatal(err)
		}
		asm, ssm := f.groups[0], f.ssm[0]
		type member struct {
			name  string
			port  int
			joins []int // options
			group netip.Addr
			from  netip.Addr // of the option's, if it is one of sources
			hears []heard
			conn  *net.UDPConn
		}
		members := []*member{
			{name: "any source", port: 7110, joins: []int{unix.MCAST_JOIN_GROUP}, group: asm,
				hears: []heard{{f.ours, asm}, {f.second, asm}}},
			{name: "one source", port: 7111, joins: []int{unix.MCAST_JOIN_SOURCE_GROUP}, group: ssm, from: f.second,
				hears: []heard{{f.second, ssm}}},
			{name: "any but one", port: 7112, joins: []int{unix.MCAST_JOIN_GROUP, unix.MCAST_BLOCK_SOURCE}, group: asm, from: f.ours,
				hears: []heard{{f.second, asm}}},
			{name: "another group", port: 7113, joins: []int{unix.MCAST_JOIN_GROUP}, group: f.groups[1]},
		}
		for _, m := range members {
			m.conn = f.kernelMember(t, w.ns, "cn0", m.port)
			for _, option := range m.joins {
				source := m.from
				if option == unix.MCAST_JOIN_GROUP {
					source = netip.Addr{}
				}
				f.changeGroup(t, w.ns, "cn0", m.conn, option, m.group, source)
			}
		}
		var senders []*castnet.Conn
		for i, a := range []netip.Addr{f.ours, f.second} {
			cfg := castnet.Config{On: w.stack}
			c, err := cfg.Listen(t.Context(), f.network, netip.AddrPortFrom(a, 7109).String())
			w.conn(c, err)
			if err := c.SetMulticastInterface("cn0"); err != nil {
				t.Fatal(err)
			}
			// The second is one to be heard farther away.
			if i == 1 {
				if err := c.SetMulticastTTL(17); err != nil {
					t.Fatal(err)
				}
			}
			senders = append(senders, c)
		}
		for _, m := range members {
			for _, s := range senders {
				for _, g := range []netip.Addr{asm, ssm} {
					from := s.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
					if _, err := s.WriteToUDPAddrPort([]byte(fmt.Sprint(from, " ", g)), netip.AddrPortFrom(g, uint16(m.port))); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := senders[0].WriteToUDPAddrPort([]byte(endOfRound), netip.AddrPortFrom(f.kernel[0], uint16(m.port))); err != nil {
				t.Fatal(err)
			}
			var got []heard
			for buf := make([]byte, 100); ; {
				n, from, err := m.conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					t.Fatalf("%s: after %v: %v", m.name, got, err)
				}
				if string(buf[:n]) == endOfRound {
					break
				}
				var source, group string
				fmt.Sscan(string(buf[:n]), &source, &group)
				h := heard{netip.MustParseAddr(source), netip.MustParseAddr(group)}
				if from.Addr() != h.from {
					t.Errorf("%s: %q came from %v", m.name, buf[:n], from)
				}
				got = append(got, h)
			}
			if !slices.Equal(got, m.hears) {
				t.Errorf("%s: heard %v, want %v", m.name, got, m.hears)
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
		for _, r := range w.ourFrames(fmt.Sprintf("udp.srcport==7109 && %s.dst!=%v", f.shark(), f.kernel[0]), f.shark()+".src", f.shark()+".dst", f.hops(), "eth.dst") {
			ttl := map[string]string{f.ours.String(): "1", f.second.String(): "17"}[r[0]]
			if r[2] != ttl || r[3] != multicastMAC(r[1]) {
				t.Errorf("from %s to %s there went a datagram to %s with TTL %s; want %s, %s", r[0], r[1], r[3], r[2], multicastMAC(r[1]), ttl)
			}
		}
	})
}

// A Conn of ours hears its own host's datagrams if the sender lets it, and the kernel
// does not hear them twice.
func TestGroupLoopback(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openDirect()
		const port = 7120
		group := netip.AddrPortFrom(f.groups[0], port)
		k := f.kernelMember(t, w.ns, "cn0", port)
		f.changeGroup(t, w.ns, "cn0", k, unix.MCAST_JOIN_GROUP, group.Addr(), netip.Addr{})
		c := w.listenGroups(port)
		if err := c.JoinGroup("cn0", group.Addr()); err != nil {
			t.Fatal(err)
		}
		if err := c.SetMulticastInterface("cn0"); err != nil {
			t.Fatal(err)
		}
		loop := []bool{true, false, true}
		for i, on := range loop {
			if err := c.SetMulticastLoopback(on); err != nil {
				t.Fatal(err)
			}
			if _, err := c.WriteToUDPAddrPort(fmt.Append(nil, i), group); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 100)
		for _, want := range []string{"0", "2"} {
			if n, from, err := c.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != want || from.Addr() != f.ours {
				t.Errorf("we heard %q from %v, %v; want %q from %v", buf[:n], from, err, want, f.ours)
			}
		}
		for _, want := range []string{"0", "1", "2"} {
			if n, from, err := k.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != want || from != netip.AddrPortFrom(f.ours, port) {
				t.Errorf("the kernel heard %q from %v, %v; want %q from %v", buf[:n], from, err, want, f.ours)
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}
