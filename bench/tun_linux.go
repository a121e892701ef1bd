package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/castnet-go/castnet/internal/tuntap"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// The addresses on a TUN device: the kernel's and the stack's.
var (
	tunHost = [4]byte{10, 0, 0, 1}
	tunUs   = [4]byte{10, 0, 0, 2}
)

// tunWindow is how many packets are under way together, and tunTrains how many
// trains: fewer than the device's queue holds.
const (
	tunWindow = 256
	tunTrains = 24
)

// A tunEnd is the stack's side: a connected socket.
type tunEnd interface {
	// send sends the payloads, as a train if they are to be one.
	send(payloads [][]byte) error
	// receive waits for datagrams and hands each to take.
	receive(take func([]byte)) error
	close() error
}

// tunPath is a tunEnd and a socket of the kernel, of which one sends.
type tunPath struct {
	bufs       *buffers
	kernel     *kernelThread
	end        tunEnd
	uso, write bool
	got, want  int // datagrams of a window
	kept       int // from which on they are kept
	batch      int
}

func (p *tunPath) carry(count int) error {
	_, err := p.run(count, 1)
	return err
}

// run works in windows. The process has one core meanwhile, so that a window has
// been sent before it is read: else each datagram might find its reader asleep, and
// what is measured is how long the wire is and not what a datagram costs.
func (p *tunPath) run(batch, n int) (took time.Duration, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p.batch = batch
	window := max(1, tunWindow/batch)
	if p.uso {
		window = tunTrains
	}
	for n > 0 && err == nil {
		calls := min(n, window)
		n -= calls
		p.got, p.want = 0, calls*batch
		if p.kept = p.want; n == 0 {
			p.kept -= batch
		}
		var t time.Duration
		if p.write {
			t, err = p.writeWindow(calls)
		} else {
			t, err = p.readWindow(calls)
		}
		took += t
	}
	return took, err
}

// take counts a datagram, and keeps those of the last batch of all, which are compared.
func (p *tunPath) take(payload []byte) {
	if k := p.got - p.kept; k >= 0 {
		p.bufs.in[k] = append(p.bufs.in[k][:0], payload...)
	}
	p.got++
}

// writeWindow sends so many batches, which the kernel's program reads thereafter.
func (p *tunPath) writeWindow(calls int) (time.Duration, error) {
	start := processTime()
	for range calls {
		if err := p.end.send(p.bufs.out[:p.batch]); err != nil {
			return 0, err
		}
	}
	took := processTime() - start
	err := p.kernel.do(func() error { return p.kernel.read(p, len(p.bufs.out[0])) })
	return took, err
}

// readWindow has the kernel's program send so many batches, and reads them.
func (p *tunPath) readWindow(calls int) (time.Duration, error) {
	// A socket may be written to by whichever thread: the namespace was asked for when it
	// was opened. Handing over to another thread and back would be counted as reading.
	if err := p.kernel.write(p, calls); err != nil {
		return 0, err
	}
	start := processTime()
	for p.got < p.want {
		if err := p.end.receive(p.take); err != nil {
			return 0, fmt.Errorf("after %d of %d datagrams: %w", p.got, p.want, err)
		}
	}
	return processTime() - start, nil
}

// patience is how long something may take that should take a moment.
const patience = 10 * time.Second

func (p *tunPath) close() error {
	err := p.end.close()
	close(p.kernel.calls)
	return err
}

// kernelThread is a thread in a network namespace of its own, with a socket. It
// stands for a program of the kernel's side.
type kernelThread struct {
	calls chan func()
	fd    int
	buf   []byte
}

func newKernelThread() (*kernelThread, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: needs root, to make a network namespace and a TUN device", errUnavailable)
	}
	t := &kernelThread{calls: make(chan func()), fd: -1, buf: make([]byte, 1<<16)}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and the
		// namespace with what is open in it.
		runtime.LockOSThread()
		made <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range t.calls {
			f()
		}
		if t.fd >= 0 {
			unix.Close(t.fd)
		}
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("%w: making a network namespace: %w", errUnavailable, err)
	}
	return t, nil
}

// do calls f on the thread.
func (t *kernelThread) do(f func() error) error {
	done := make(chan error)
	t.calls <- func() { done <- f() }
	return <-done
}

// open opens the kernel's socket, connected to the stack's.
func (t *kernelThread) open() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	t.fd = fd
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}),
		// Trains that come are handed over whole; others are not joined.
		unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: tunHost, Port: portA}),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: tunUs, Port: portB}),
	)
}

// read reads a window of datagrams of a size.
func (t *kernelThread) read(p *tunPath, size int) error {
	for p.got < p.want {
		n, err := unix.Read(t.fd, t.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: the kernel has read %d of %d datagrams: %w", errNotDelivered, p.got, p.want, err)
		}
		for b := t.buf[:n]; len(b) > 0; {
			k := min(size, len(b))
			p.take(b[:k])
			b = b[k:]
		}
	}
	return nil
}

// write sends batches.
func (t *kernelThread) write(p *tunPath, calls int) error {
	payloads := p.bufs.out[:p.batch]
	if p.uso {
		train := t.buf[:0]
		for _, b := range payloads {
			train = append(train, b...)
		}
		if err := unix.SetsockoptInt(t.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(payloads[0])); err != nil {
			return err
		}
		payloads = [][]byte{train}
	}
	for range calls {
		for _, b := range payloads {
			if err := writeRaw(t.fd, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeRaw is unix.Write without the runtime being told: it would give the process's only
// core to who reads, packet by packet, and what is measured were how often somebody is woken.
func writeRaw(fd int, b []byte) error {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return errno
	}
	return nil
}

// newTUNPath makes the kernel's side; open is called in the namespace.
func newTUNPath(bufs *buffers, uso, write bool, open func() (tunEnd, error)) (path, error) {
	t, err := newKernelThread()
	if err != nil {
		return nil, err
	}
	p := &tunPath{bufs: bufs, kernel: t, uso: uso, write: write}
	err = t.do(func() (err error) {
		if out, e := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); e != nil {
			return fmt.Errorf("%w: ip link: %w: %s", errUnavailable, e, out)
		}
		if p.end, err = open(); err != nil {
			return err
		}
		return t.open()
	})
	if err != nil {
		close(t.calls)
		if p.end != nil {
			err = errors.Join(err, p.end.close())
		}
		return nil, err
	}
	return p, nil
}

var tunHostPrefix = netip.PrefixFrom(netip.AddrFrom4(tunHost), 24)

// stackOnTUN is castnet's stack.
type stackOnTUN struct {
	stack   *stack.Stack
	socket  socket.Socket
	uso     bool
	lender  socket.Lender // nil: what is read is copied
	out, in []socket.Message
	train   []byte
	timeout socket.Cancel
	timer   *time.Timer // fires it
}

func openTUN(bufs *buffers, uso, write bool) (path, error) {
	return openStackOnTUN(bufs, uso, write, false)
}

func openTUNLent(bufs *buffers, uso, write bool) (path, error) {
	return openStackOnTUN(bufs, uso, write, true)
}

func openStackOnTUN(bufs *buffers, uso, write, lend bool) (path, error) {
	return newTUNPath(bufs, uso, write, func() (tunEnd, error) {
		cfg := tun.Config{HostAddresses: []netip.Prefix{tunHostPrefix}, Offload: link.OffloadNone}
		if uso {
			cfg.Offload = link.OffloadAll
		}
		l, err := tun.Open("", cfg)
		if err != nil {
			return nil, err
		}
		if uso && l.Capabilities()&link.Segmentation == 0 {
			return nil, errors.Join(fmt.Errorf("%w: this kernel takes no trains by TUN (Linux 6.2 does)", errUnavailable), l.Close())
		}
		const large = 64 << 20
		e := &stackOnTUN{uso: uso}
		if e.stack, err = stack.New(stack.Config{ReceiveBuffer: large}); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		i, err := e.stack.AddInterface("tun0", l)
		if err == nil {
			err = i.AddAddress(netip.PrefixFrom(netip.AddrFrom4(tunUs), 24))
		}
		if err == nil {
			e.socket, err = openSocket(e.stack, netip.AddrPortFrom(netip.AddrFrom4(tunUs), portB), netip.AddrPortFrom(netip.AddrFrom4(tunHost), portA), true)
		}
		if err == nil && uso {
			err = e.socket.SetOption(socket.Report, int(socket.FieldSegmentSize))
		}
		if err != nil {
			return nil, errors.Join(err, e.stack.Close())
		}
		e.timer = time.AfterFunc(time.Hour, e.timeout.Fire)
		e.out, e.in = make([]socket.Message, trainSize), make([]socket.Message, batchSize)
		if lend {
			e.lender = e.socket.(socket.Lender)
		} else {
			for k := range e.in {
				e.in[k].Buf = make([]byte, 1<<16)
			}
		}
		return e, nil
	})
}

func (e *stackOnTUN) send(payloads [][]byte) error {
	out := e.out[:len(payloads)]
	if e.uso {
		// A program has its train in one piece already: it is made once.
		if len(e.train) != len(payloads)*len(payloads[0]) || !bytes.HasPrefix(e.train, payloads[0]) {
			e.train = e.train[:0]
			for _, b := range payloads {
				e.train = append(e.train, b...)
			}
		}
		out = e.out[:1]
		out[0] = socket.Message{Buf: e.train, Set: socket.FieldSegmentSize, SegmentSize: uint16(len(payloads[0]))}
	} else {
		for k, b := range payloads {
			out[k].Buf = b
		}
	}
	for len(out) > 0 {
		n, err := e.socket.TrySend(out)
		if err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

func (e *stackOnTUN) receive(take func([]byte)) error {
	var n int
	var loan socket.Loan
	var err error
	if e.lender != nil {
		n, loan, err = e.lender.TryLend(e.in)
	} else {
		n, err = e.socket.TryRecv(e.in)
	}
	if err == unix.EAGAIN {
		e.timer.Reset(patience)
		return e.socket.Wait(socket.Readable, &e.timeout)
	}
	if err != nil {
		return err
	}
	for k := range e.in[:n] {
		m := &e.in[k]
		b := m.Buf
		if size := int(m.SegmentSize); m.Set&socket.FieldSegmentSize != 0 && size > 0 {
			for len(b) > size {
				take(b[:size])
				b = b[size:]
			}
		}
		take(b)
	}
	if loan != nil {
		loan.Return()
	}
	return nil
}

func (e *stackOnTUN) close() error {
	e.timer.Stop()
	return e.stack.Close()
}

// gvisorOnTUN is gVisor's.
type gvisorOnTUN struct {
	stack    *gvisor.Stack
	fd       int
	ep       tcpip.Endpoint
	readable chan struct{}
	timer    *time.Timer
	reader   bytes.Reader
	writer   tcpip.SliceWriter
	buf      []byte
}

func openTUNGVisor(bufs *buffers, _, write bool) (path, error) {
	return newTUNPath(bufs, false, write, func() (tunEnd, error) {
		d, err := tuntap.Open("", tuntap.Config{HostAddresses: []netip.Prefix{tunHostPrefix}, Offload: link.OffloadNone})
		if err != nil {
			return nil, err
		}
		e := &gvisorOnTUN{fd: d.Descriptors[0], buf: make([]byte, room), timer: time.NewTimer(time.Hour)}
		l, err := fdbased.New(&fdbased.Options{FDs: d.Descriptors, MTU: mtu})
		if err != nil {
			return nil, errors.Join(err, unix.Close(e.fd))
		}
		e.stack = gvisor.New(gvisor.Options{
			NetworkProtocols:   []gvisor.NetworkProtocolFactory{ipv4.NewProtocol},
			TransportProtocols: []gvisor.TransportProtocolFactory{udp.NewProtocol},
		})
		if err := e.stack.CreateNIC(1, l); err != nil {
			return nil, fmt.Errorf("gVisor: CreateNIC: %v", err)
		}
		us := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(tunUs), PrefixLen: 24}
		if err := e.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: us}, gvisor.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("gVisor: AddProtocolAddress: %v", err)
		}
		e.stack.SetRouteTable([]tcpip.Route{{Destination: us.Subnet(), NIC: 1}})
		var queue waiter.Queue
		entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
		queue.EventRegister(&entry)
		e.readable = readable
		ep, te := e.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &queue)
		if te == nil {
			te = ep.Bind(tcpip.FullAddress{Addr: us.Address, Port: portB})
		}
		if te == nil {
			te = ep.Connect(tcpip.FullAddress{Addr: tcpip.AddrFrom4(tunHost), Port: portA})
		}
		if te != nil {
			return nil, errors.Join(fmt.Errorf("gVisor: socket: %v", te), e.close())
		}
		ep.SocketOptions().SetReceiveBufferSize(64<<20, false)
		e.ep = ep
		return e, nil
	})
}

func (e *gvisorOnTUN) send(payloads [][]byte) error {
	for _, b := range payloads {
		e.reader.Reset(b)
		if _, err := e.ep.Write(&e.reader, tcpip.WriteOptions{}); err != nil {
			return fmt.Errorf("gVisor: Write: %v", err)
		}
	}
	return nil
}

func (e *gvisorOnTUN) receive(take func([]byte)) error {
	e.writer = e.buf
	r, err := e.ep.Read(&e.writer, tcpip.ReadOptions{})
	if err == nil {
		take(e.buf[:r.Count])
		return nil
	}
	if _, empty := err.(*tcpip.ErrWouldBlock); !empty {
		return fmt.Errorf("gVisor: Read: %v", err)
	}
	e.timer.Reset(patience)
	select {
	case <-e.readable:
		return nil
	case <-e.timer.C:
		return errNotDelivered
	}
}

func (e *gvisorOnTUN) close() error {
	e.stack.Destroy()
	return unix.Close(e.fd)
}
