package host

import (
	"errors"
	"math"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

func TestOptionsKeepWhatIsSet(t *testing.T) {
	lo := loopback(t)
	type value struct{ initially, set int }
	for o, v := range map[socket.Option]value{
		socket.ReuseAddr:          {0, 1},
		socket.ReusePort:          {0, 1},
		socket.FreeBind:           {0, 1},
		socket.BindInterface:      {0, lo},
		socket.Broadcast:          {0, 1},
		socket.NoChecksum:         {0, 1},
		socket.TTL:                {64, 9},
		socket.TOS:                {0, 0xb9},
		socket.DontFragment:       {0, 1},
		socket.MulticastTTL:       {1, 0},
		socket.MulticastLoopback:  {1, 0},
		socket.MulticastInterface: {0, lo},
		socket.MulticastAll:       {1, 0},
		socket.Report:             {0, int(allFields)},
		socket.ReceiveErrors:      {0, 1},
		socket.PortRange:          {0, 20000 | 30000<<16},
		socket.IPv6Only:           {0, 1},
		socket.AutoFlowLabel:      {1, 0},
	} {
		for _, family := range families() {
			if family == socket.IPv4 && (o == socket.IPv6Only || o == socket.AutoFlowLabel) {
				continue
			}
			s := openUnbound(t, family)
			if got := get1(t, s, o); got != v.initially {
				t.Errorf("%v: %v is %d initially, want %d", family, o, got, v.initially)
			}
			values := []int{v.set, v.initially, v.set}
			if o == socket.BindInterface {
				values = values[:1] // to undo it needs CAP_NET_RAW
			}
			for _, want := range values {
				set1(t, s, o, want)
				if got := get1(t, s, o); got != want {
					t.Errorf("%v: %v = %d after setting %d", family, o, got, want)
				}
			}
			if o == socket.TTL || o == socket.MulticastTTL {
				set1(t, s, o, -1)
				if got := get1(t, s, o); got != v.initially {
					t.Errorf("%v: %v = %d after -1, want the default %d", family, o, got, v.initially)
				}
			}
		}
	}
}

func TestOptionsRefuse(t *testing.T) {
	type bad struct {
		o     socket.Option
		value int
		v4    syscall.Errno
		v6    syscall.Errno
	}
	cases := []bad{
		{0, 1, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
		{255, 1, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
		{socket.IPv6Only, 1, syscall.ENOPROTOOPT, 0},
		{socket.TTL, 0, syscall.EINVAL, syscall.EINVAL},
		{socket.TTL, -2, syscall.EINVAL, syscall.EINVAL},
		{socket.TTL, 256, syscall.EINVAL, syscall.EINVAL},
		{socket.TOS, -1, syscall.EINVAL, syscall.EINVAL},
		{socket.TOS, 256, syscall.EINVAL, syscall.EINVAL},
		{socket.MulticastTTL, -2, syscall.EINVAL, syscall.EINVAL},
		{socket.MulticastTTL, 256, syscall.EINVAL, syscall.EINVAL},
		{socket.MulticastInterface, -1, syscall.EINVAL, syscall.EINVAL},
		{socket.MulticastInterface, 1 << 30, syscall.EADDRNOTAVAIL, syscall.EADDRNOTAVAIL},
		{socket.BindInterface, -1, syscall.EINVAL, syscall.EINVAL},
		{socket.BindInterface, 1 << 30, syscall.ENODEV, syscall.ENODEV},
		{socket.PortRange, 30000 | 20000<<16, syscall.EINVAL, syscall.EINVAL},
		{socket.PathMTU, 1500, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
		{socket.Error, 0, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
		{socket.NextSize, 0, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
		{socket.SendQueued, 0, syscall.ENOPROTOOPT, syscall.ENOPROTOOPT},
	}
	if math.MaxInt > math.MaxInt32 {
		cases = append(cases, bad{socket.PortRange, math.MaxInt, syscall.EINVAL, syscall.EINVAL}, bad{socket.PortRange, -1, syscall.EINVAL, syscall.EINVAL})
	}
	for _, tc := range cases {
		for _, family := range families() {
			want := tc.v4
			if family == socket.IPv6 {
				want = tc.v6
			}
			s := openUnbound(t, family)
			before, beforeErr := s.Option(tc.o)
			if err := s.SetOption(tc.o, tc.value); errnoOf(err) != want {
				t.Errorf("%v: SetOption(%v, %d) = %v, want %v", family, tc.o, tc.value, err, want)
			}
			if after, afterErr := s.Option(tc.o); want != 0 && (after != before || afterErr != beforeErr) {
				t.Errorf("%v: %v is %d, %v after it was refused; it was %d, %v", family, tc.o, after, afterErr, before, beforeErr)
			}
		}
	}
	for _, o := range []socket.Option{0, 255} {
		if _, err := open4(t).Option(o); err != syscall.ENOPROTOOPT {
			t.Errorf("Option(%d) = %v, want ENOPROTOOPT", o, err)
		}
	}
}

func TestBooleans(t *testing.T) {
	for _, o := range []socket.Option{
		socket.ReuseAddr, socket.ReusePort, socket.FreeBind, socket.Broadcast, socket.NoChecksum, socket.DontFragment,
		socket.MulticastLoopback, socket.MulticastAll, socket.ReceiveErrors, socket.IPv6Only, socket.AutoFlowLabel,
	} {
		for _, family := range families() {
			if family == socket.IPv4 && (o == socket.IPv6Only || o == socket.AutoFlowLabel) {
				continue
			}
			s := openUnbound(t, family)
			for _, value := range []int{2, 0, -1, 0, math.MaxInt} {
				set1(t, s, o, value)
				if got := get1(t, s, o); got != asInt(value != 0) {
					t.Errorf("%v: %v = %d after setting %d", family, o, got, value)
				}
			}
		}
	}
}

// Each option of the seam has its place in the table: none is forgotten.
func TestEveryOptionIsKnown(t *testing.T) {
	a, _ := connectedPair(t)
	for o := socket.Option(1); int(o) < socket.Options; o++ {
		if o == socket.IPv6Only || o == socket.AutoFlowLabel {
			continue
		}
		if _, err := a.Option(o); err != nil {
			t.Errorf("Option(%v) of a connected socket: %v", o, err)
		}
	}
}

// What the kernel does not know is said with what would.
func TestNeedsNewerKernel(t *testing.T) {
	opt := option{needs: "Linux 99"}
	err := opt.explain(socket.PortRange, syscall.ENOPROTOOPT)
	if !errors.Is(err, socket.ErrNotSupported) || err.Error() != "option PortRange is not supported: needs Linux 99" {
		t.Errorf("%v", err)
	}
	if err := opt.explain(socket.PortRange, syscall.EINVAL); err != syscall.EINVAL {
		t.Errorf("EINVAL became %v", err)
	}
}

func TestBufferSizes(t *testing.T) {
	s := open4(t)
	for _, o := range []socket.Option{socket.ReceiveBuffer, socket.SendBuffer} {
		set1(t, s, o, 50000)
		if got := get1(t, s, o); got != 100000 {
			t.Errorf("%v = %d after setting 50000, want it doubled", o, got)
		}
		set1(t, s, o, 0)
		least := get1(t, s, o)
		if least < 2000 || least > 10000 {
			t.Errorf("%v = %d after setting 0, want the kernel's minimum", o, least)
		}
		set1(t, s, o, math.MaxInt32) // capped, not refused
		most := get1(t, s, o)
		if most < 100000 {
			t.Errorf("%v = %d after setting too much, want the maximum", o, most)
		}
		for _, v := range []int{-1, math.MinInt32} { // which is too much to the kernel
			set1(t, s, o, 50000)
			set1(t, s, o, v)
			if got := get1(t, s, o); got != most {
				t.Errorf("%v = %d after setting %d, want the maximum, %d", o, got, v, most)
			}
		}
	}
}

// On an IPv6 socket options of IP count for the IPv4 it carries, too.
func TestOptionsOfDualSocket(t *testing.T) {
	s, hearer := dual(t), open4(t)
	set1(t, hearer, socket.Report, int(socket.FieldTTL|socket.FieldTOS))
	set1(t, s, socket.TTL, 33)
	set1(t, s, socket.TOS, 44)
	send(t, s, hearer.LocalAddr(), "x")
	if m := receive(t, hearer); m.TTL != 33 || m.TOS != 44 {
		t.Errorf("IPv4 from an IPv6 socket has TTL %d and TOS %d, want 33 and 44", m.TTL, m.TOS)
	}
	raw, err := s.SyscallConn()
	must(t, err)
	set1(t, s, socket.MulticastTTL, 7)
	set1(t, s, socket.MulticastLoopback, 0)
	set1(t, s, socket.MulticastAll, 0)
	set1(t, s, socket.DontFragment, 1)
	set1(t, s, socket.ReceiveErrors, 1)
	must(t, raw.Control(func(fd uintptr) {
		for name, want := range map[int]int{
			unix.IP_MULTICAST_TTL: 7, unix.IP_MULTICAST_LOOP: 0, unix.IP_MULTICAST_ALL: 0,
			unix.IP_MTU_DISCOVER: unix.IP_PMTUDISC_DO, unix.IP_RECVERR: 1,
		} {
			if got, err := unix.GetsockoptInt(int(fd), unix.SOL_IP, name); got != want || err != nil {
				t.Errorf("IP option %d = %d, %v; want %d", name, got, err, want)
			}
		}
	}))
}

func TestPathMTU(t *testing.T) {
	s := open4(t)
	if mtu, err := s.Option(socket.PathMTU); err != syscall.ENOTCONN {
		t.Errorf("PathMTU of an unconnected socket = %d, %v; want ENOTCONN", mtu, err)
	}
	must(t, s.Connect(closedPort(t)))
	if got := get1(t, s, socket.PathMTU); got != 65536 && got != 65535 {
		t.Errorf("PathMTU over the loopback interface = %d", got)
	}
}

func TestPortRange(t *testing.T) {
	for _, family := range families() {
		free := openUnbound(t, family)
		must(t, free.Bind(netip.AddrPortFrom(free.LocalAddr().Addr(), 0)))
		wildcard := free.LocalAddr()
		must(t, free.Close())
		port := int(wildcard.Port())

		in := openUnbound(t, family)
		set1(t, in, socket.PortRange, port|port<<16)
		must(t, in.Bind(netip.AddrPortFrom(wildcard.Addr(), 0)))
		if got := in.LocalAddr(); got != wildcard {
			t.Errorf("bound to %v, want %v, which is all there is", got, wildcard)
		}
		out := openUnbound(t, family)
		set1(t, out, socket.PortRange, port|port<<16)
		if err := out.Bind(netip.AddrPortFrom(wildcard.Addr(), 0)); err != syscall.EADDRINUSE {
			t.Errorf("Bind with no port left = %v, want EADDRINUSE", err)
		}
		// Implicitly it is another error.
		if n, err := out.TrySend([]socket.Message{{Addr: addrPort("127.0.0.1:9")}}); n != 0 || err != syscall.EAGAIN {
			t.Errorf("TrySend with no port left = %d, %v; want EAGAIN", n, err)
		}
		if err := out.Connect(addrPort("127.0.0.1:9")); err != syscall.EAGAIN {
			t.Errorf("Connect with no port left = %v, want EAGAIN", err)
		}
	}
}

func TestQueueSizes(t *testing.T) {
	s := open4(t)
	if got := get1(t, s, socket.NextSize); got != 0 {
		t.Errorf("NextSize of an empty queue = %d", got)
	}
	send(t, s, s.LocalAddr(), "12345")
	send(t, s, s.LocalAddr(), "1234567")
	if got := get1(t, s, socket.NextSize); got != 5 {
		t.Errorf("NextSize = %d, want 5", got)
	}
	if got := s.Stats().ReceiveQueued; got < 12 || got > 10000 {
		t.Errorf("ReceiveQueued = %d for two small datagrams", got)
	}
	if got := get1(t, s, socket.SendQueued); got != 0 {
		t.Errorf("SendQueued = %d over the loopback interface", got)
	}
	receive(t, s)
	receive(t, s)
	if got := s.Stats().ReceiveQueued; got != 0 {
		t.Errorf("ReceiveQueued = %d after all was read", got)
	}

	a, _ := unixPair(t)
	fill(t, a)
	if queued, stat := get1(t, a, socket.SendQueued), a.Stats().SendQueued; queued < 1000 || stat != queued {
		t.Errorf("SendQueued of a full socket = %d, and %d by Stats", queued, stat)
	}
}

func TestBindInterface(t *testing.T) {
	s, sender := openUnbound(t, socket.IPv4), open4(t)
	set1(t, s, socket.BindInterface, loopback(t))
	must(t, s.Bind(addrPort("0.0.0.0:0")))
	to := netip.AddrPortFrom(sender.LocalAddr().Addr(), s.LocalAddr().Port())
	send(t, sender, to, "x")
	receive(t, s)
}
