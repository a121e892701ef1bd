package script

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// The numbers of libuv's flags, as scripts know them.
const (
	uvIPv6Only   = 1
	uvReuseAddr  = 4
	uvRecvErr    = 32
	uvReusePort  = 64
	maxAddresses = 4096
)

// udpHandle is what stands behind JavaScript's UDP of lib/internal/udp_wrap.js.
type udpHandle struct {
	r        *Runtime
	u        *loop.UDP
	fd       int
	recv     goja.Callable    // (nread, buffer, address, family, port)
	newArray goja.Constructor // Uint8Array
	buffer   *goja.Object     // Buffer's class
	names    map[netip.Addr]goja.Value
	out      []byte          // scratch: messages that are gathered
	got      *socket.Message // that the script is being given; nil: none
	counted  bool

	literal struct { // the address that was sent to last
		text string
		addr netip.Addr
	}
}

// bindUDP is the way to the network. Every function returns a negative errno if it
// fails, and 0 or more if not.
func (r *Runtime) bindUDP(o *goja.Object) {
	constants := r.vm.NewObject()
	constants.Set("UV_UDP_IPV6ONLY", uvIPv6Only)
	constants.Set("UV_UDP_REUSEADDR", uvReuseAddr)
	constants.Set("UV_UDP_REUSEPORT", uvReusePort)
	o.Set("constants", constants)
	o.Set("guessHandleType", func(fd int) string { return r.fds.kind(fd) })
	o.Set("open", func(call goja.FunctionCall) goja.Value {
		recv, _ := goja.AssertFunction(call.Argument(0))
		return r.newUDP(recv, call.Argument(1).ToObject(r.vm))
	})
}

// newUDP makes a handle, as an object of functions. It receives in buffers of a class that
// extends Uint8Array.
func (r *Runtime) newUDP(recv goja.Callable, buffer *goja.Object) goja.Value {
	newArray, _ := goja.AssertConstructor(buffer.Prototype())
	h := &udpHandle{r: r, fd: -1, recv: recv, newArray: newArray, buffer: buffer, names: make(map[netip.Addr]goja.Value)}
	if r.cfg.On != nil {
		u, err := r.loop.NewUDP(loop.UDPConfig{On: r.cfg.On})
		if err == nil {
			h.u = u
		}
	}
	o := r.vm.NewObject()
	if h.u == nil { // no network
		o.Set("none", true)
		return o
	}
	r.fds.handles[h] = true
	r.uncounted[h] = true
	h.setNetwork(o)
	h.setOptions(o)
	h.setGroups(o)
	h.setTraffic(o)
	h.setCounters(o)
	o.Set("fd", func() int { return h.descriptor() })
	o.Set("ref", func() { h.u.Ref() })
	o.Set("unref", func() { h.u.Unref() })
	o.Set("hasRef", func() bool { return h.u.HasRef() && !h.u.Closing() })
	o.Set("active", func() bool { return h.u.Active() })
	o.Set("close", func(call goja.FunctionCall) goja.Value {
		done, _ := goja.AssertFunction(call.Argument(0))
		r.fds.free(h.fd)
		h.fd = -1
		delete(r.fds.handles, h)
		h.u.Close(func() {
			h.count()
			if done != nil {
				r.call(done)
			}
		})
		return goja.Undefined()
	})
	return o
}

// descriptor is the handle's number among the script's files. It has one as soon as
// there is a socket.
func (h *udpHandle) descriptor() int {
	if h.fd < 0 && h.u.Socket() != nil && !h.u.Closing() {
		h.fd = h.r.fds.add(h)
	}
	return h.fd
}

func (h *udpHandle) setNetwork(o *goja.Object) {
	bind := func(want socket.Family) func(address string, port, flags int) int {
		return func(address string, port, flags int) int {
			a, errno := parseAddr(address, want)
			if errno != 0 || port < 0 || port > 65535 {
				return -int(syscall.EINVAL)
			}
			var f loop.Flags
			for uv, flag := range map[int]loop.Flags{
				uvIPv6Only: loop.IPv6Only, uvReuseAddr: loop.ReuseAddr, uvReusePort: loop.ReusePort, uvRecvErr: loop.ReceiveErrors,
			} {
				if flags&uv != 0 {
					f |= flag
				}
			}
			return uvError(h.u.Bind(netip.AddrPortFrom(a, uint16(port)), f))
		}
	}
	connect := func(want socket.Family) func(address string, port int) int {
		return func(address string, port int) int {
			a, errno := parseAddr(address, want)
			if errno != 0 || port < 0 || port > 65535 {
				return -int(syscall.EINVAL)
			}
			return uvError(h.u.Connect(netip.AddrPortFrom(a, uint16(port))))
		}
	}
	o.Set("bind", bind(socket.IPv4))
	o.Set("bind6", bind(socket.IPv6))
	o.Set("connect", connect(socket.IPv4))
	o.Set("connect6", connect(socket.IPv6))
	o.Set("disconnect", func() int { return uvError(h.u.Connect(netip.AddrPort{})) })
	o.Set("openFd", func(fd int) int { return h.openFd(fd) })
	name := func(get func() (netip.AddrPort, error)) func(out *goja.Object) int {
		return func(out *goja.Object) int {
			a, err := get()
			if err != nil {
				return uvError(err)
			}
			out.Set("address", a.Addr().String())
			out.Set("family", family(a.Addr()))
			out.Set("port", a.Port())
			return 0
		}
	}
	o.Set("getsockname", name(h.u.LocalAddr))
	o.Set("getpeername", name(h.u.PeerAddr))
}

// openFd takes over the socket of another handle of the script. A descriptor that is
// watched by this loop already cannot be watched again.
func (h *udpHandle) openFd(fd int) int {
	entry, ok := h.r.fds.get(fd).(*udpHandle)
	switch {
	case !ok:
		return -int(syscall.EBADF)
	case entry.u.Active():
		return -int(syscall.EEXIST)
	}
	if errno := uvError(h.u.Open(entry.u.Socket())); errno != 0 {
		return errno
	}
	h.fd = fd
	return 0
}

func (h *udpHandle) setOptions(o *goja.Object) {
	o.Set("setBroadcast", func(on bool) int { return uvError(h.u.SetBroadcast(on)) })
	o.Set("setTTL", func(ttl int) int { return uvError(h.u.SetTTL(ttl)) })
	o.Set("setMulticastTTL", func(ttl int) int { return uvError(h.u.SetMulticastTTL(ttl)) })
	o.Set("setMulticastLoopback", func(on bool) int { return uvError(h.u.SetMulticastLoop(on)) })
	o.Set("setMulticastInterface", func(by string) int {
		a, err := netip.ParseAddr(by)
		if err != nil {
			return -int(syscall.EINVAL)
		}
		s := h.u.Socket()
		if s != nil && s.Family() == socket.IPv4 && !a.Is4() {
			return -int(syscall.ENOPROTOOPT)
		}
		return uvError(h.u.SetMulticastInterface(h.zoned(a)))
	})
	// bufferSize returns the size; with a size that is not 0 it is set.
	o.Set("bufferSize", func(size float64, receive bool) int {
		option := socket.SendBuffer
		if receive {
			option = socket.ReceiveBuffer
		}
		if size != 0 {
			if size > math.MaxInt32 || size < 0 {
				return -int(syscall.EINVAL)
			}
			if err := h.u.SetOption(option, int(size)); err != nil {
				return uvError(err)
			}
			return int(size)
		}
		n, err := h.u.Option(option)
		if err != nil {
			return uvError(err)
		}
		return n
	})
	o.Set("getSendQueueSize", func() int { return h.u.SendQueueSize() })
	o.Set("getSendQueueCount", func() int { return h.u.SendQueueCount() })
}

func (h *udpHandle) setGroups(o *goja.Object) {
	// parse reads the addresses that are of one call; all are of one family.
	parse := func(v goja.Value) (netip.Addr, bool) {
		if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
			return netip.Addr{}, true
		}
		a, err := netip.ParseAddr(v.String())
		return h.zoned(a), err == nil
	}
	membership := func(join bool) func(group, on goja.Value) int {
		return func(group, on goja.Value) int {
			g, ok := parse(group)
			by, also := parse(on)
			if !ok || !also || !g.IsValid() {
				return -int(syscall.EINVAL)
			}
			return groupError(h.u.SetMembership(g, by, join))
		}
	}
	ofSource := func(join bool) func(source, group, on goja.Value) int {
		return func(source, group, on goja.Value) int {
			s, ok := parse(source)
			g, also := parse(group)
			by, too := parse(on)
			if !ok || !also || !too || !g.IsValid() || !s.IsValid() {
				return -int(syscall.EINVAL)
			}
			return groupError(h.u.SetSourceMembership(g, by, s, join))
		}
	}
	o.Set("addMembership", membership(true))
	o.Set("dropMembership", membership(false))
	o.Set("addSourceSpecificMembership", ofSource(true))
	o.Set("dropSourceSpecificMembership", ofSource(false))
}

func (h *udpHandle) setTraffic(o *goja.Object) {
	r := h.r
	noTry := slices.Contains(r.cfg.Flags, "--test-udp-no-try-send")
	o.Set("recvStart", func() int {
		err := h.u.RecvStart(h.received)
		if err == syscall.EALREADY {
			return 0
		}
		return uvError(err)
	})
	o.Set("recvStop", func() int { return uvError(h.u.RecvStop()) })
	// send takes a list of Uint8Arrays, or one; the port is negative on a socket
	// that is connected. It returns the length and one more if the datagram has
	// gone already, else 0, and calls done then.
	// done has the argument behind it as its first.
	o.Set("send", func(call goja.FunctionCall) goja.Value {
		b, to, errno := h.toSend(call)
		if errno != 0 {
			return r.vm.ToValue(-int(errno))
		}
		if !noTry {
			if v := h.trySend(b, to); v != nil {
				return v
			}
		}
		done, _ := goja.AssertFunction(call.Argument(4))
		what, n := call.Argument(5), len(b)
		err := h.u.Send(&socket.Message{Buf: b, Addr: to}, func(err error) {
			r.call(done, what, r.vm.ToValue(uvError(err)), r.vm.ToValue(n))
		})
		return r.vm.ToValue(uvError(err))
	})
	if noTry {
		return
	}
	// trySend is send that returns 0 if the datagram cannot go at once, and leaves it.
	o.Set("trySend", func(call goja.FunctionCall) goja.Value {
		b, to, errno := h.toSend(call)
		if errno != 0 {
			return r.vm.ToValue(-int(errno))
		}
		if v := h.trySend(b, to); v != nil {
			return v
		}
		return r.vm.ToValue(0)
	})
}

// toSend reads the first four arguments of send. The zero address is the peer's.
func (h *udpHandle) toSend(call goja.FunctionCall) (b []byte, to netip.AddrPort, errno syscall.Errno) {
	b = h.gather(call.Argument(0))
	port := call.Argument(1).ToInteger()
	if port < 0 {
		return b, to, 0
	}
	if text := call.Argument(2).String(); text != h.literal.text || text == "" {
		h.literal.text = ""
		if h.literal.addr, errno = parseAddr(text, 0); errno != 0 {
			return nil, to, errno
		}
		h.literal.text = text
	}
	a := h.literal.addr
	if want := socket.Family(call.Argument(3).ToInteger()); want != 0 && (want == socket.IPv4) != a.Is4() {
		return nil, to, syscall.EINVAL
	}
	return b, netip.AddrPortFrom(a, uint16(port)), 0
}

// trySend returns one more than the length if the datagram has gone, a negative errno if
// it will not, and nil if it may later.
func (h *udpHandle) trySend(b []byte, to netip.AddrPort) goja.Value {
	switch err := h.u.TrySendTo(b, to); err {
	case nil:
		return h.r.vm.ToValue(len(b) + 1)
	case syscall.EAGAIN:
		return nil
	default:
		return h.r.vm.ToValue(uvError(err))
	}
}

// zoned returns an address without its zone if that is no interface: libuv takes such
// a one for none, and leaves the choice to the network.
func (h *udpHandle) zoned(a netip.Addr) netip.Addr {
	if a.Zone() == "" {
		return a
	}
	list, err := h.r.cfg.On.Interfaces()
	if err == nil && slices.ContainsFunc(list, func(i socket.Interface) bool { return i.Name == a.Zone() || itoa(i.Index) == a.Zone() }) {
		return a
	}
	return a.WithZone("")
}

// gather returns the payload that is one Uint8Array or a list of them.
func (h *udpHandle) gather(v goja.Value) []byte {
	if b, ok := v.Export().([]byte); ok {
		return b
	}
	list := v.ToObject(h.r.vm)
	h.out = h.out[:0]
	n := int(list.Get("length").ToInteger())
	for i := range n {
		h.out = append(h.out, bytesOf(list.Get(itoa(i)))...)
	}
	return h.out
}

// received hands a datagram to the script.
func (h *udpHandle) received(m *socket.Message, err error) {
	r := h.r
	if err != nil {
		r.call(h.recv, r.vm.ToValue(uvError(err)))
		return
	}
	// The class adds nothing when it makes one, so Uint8Array can do it in its stead.
	buffer, err := h.newArray(h.buffer, r.vm.ToValue(r.vm.NewArrayBuffer(bytes.Clone(m.Buf))))
	if err != nil {
		r.caught(err)
		return
	}
	a := m.Addr.Addr()
	version := familyIPv4
	if !a.Is4() {
		version = familyIPv6
	}
	h.got = m
	defer func() { h.got = nil }()
	r.call(h.recv, r.vm.ToValue(len(m.Buf)), buffer, h.name(a), version, r.vm.ToValue(int(m.Addr.Port())))
}

// What rinfo.family is; strings belong to no runtime.
var familyIPv4, familyIPv6 = goja.New().ToValue("IPv4"), goja.New().ToValue("IPv6")

// name returns an address as a string of the script's. Those of peers that come again
// and again are kept.
func (h *udpHandle) name(a netip.Addr) goja.Value {
	if v, ok := h.names[a]; ok {
		return v
	}
	if len(h.names) >= maxAddresses {
		clear(h.names)
	}
	v := h.r.vm.ToValue(a.String())
	h.names[a] = v
	return v
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// parseAddr reads a literal address of a family, 0: of any.
func parseAddr(text string, want socket.Family) (netip.Addr, syscall.Errno) {
	a, err := netip.ParseAddr(text)
	if err != nil || want != 0 && (want == socket.IPv4) != a.Is4() {
		return netip.Addr{}, syscall.EINVAL
	}
	return a, 0
}

// groupError is uvError of a membership. A group of the other family is for Linux an
// option that the socket does not have.
func groupError(err error) int {
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		err = syscall.ENOPROTOOPT
	}
	return uvError(err)
}

// uvError returns an error as libuv returns it: negative, and 0 if there is none.
func uvError(err error) int {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return -int(errno)
	case errors.Is(err, net.ErrClosed):
		return -int(syscall.EBADF)
	case errors.Is(err, socket.ErrNotSupported):
		return -int(syscall.ENOTSUP)
	case errors.Is(err, fs.ErrNotExist):
		return -int(syscall.ENOENT)
	case errors.Is(err, fs.ErrPermission):
		return -int(syscall.EACCES)
	}
	return uvUnknown
}
