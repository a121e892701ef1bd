package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/wire"
)

// A capture is what the kernel saw on every Ethernet device of a namespace,
// those that were made while it ran included.
//
// The kernel writes it into a ring in memory that it shares with us, at the moment
// at which a frame passes: what an ordinary packet socket has queued are references,
// and the kernel rewrites headers of fragments that it forwards under them.
type capture struct {
	t    *testing.T
	path string
	sock *os.File
	conn syscall.RawConn
	ring []byte
	next int // the block of the ring to be read
	file *os.File
	w    *pcapng.Writer
	done chan struct{}

	left sync.Map // by the index of a device: it is left out

	stopped  bool
	err      error
	seen     uint32           // frames of all kinds
	incoming map[wire.MAC]int // frames that came in, by who sent them; of a capture that is stopped
}

// The ring: a block is handed over when it is full, or some time after its first
// frame.
const (
	blockSize   = 1 << 20
	blocks      = 64 // more than any test sends while the reader is not scheduled
	retireAfter = 5  // milliseconds
)

// newCapture starts to capture to a file. The capture ends with the test, or
// when it is stopped.
func newCapture(t *testing.T, ns *netns.Namespace, path string) *capture {
	t.Helper()
	c := &capture{t: t, path: path, done: make(chan struct{}), incoming: make(map[wire.MAC]int)}
	var err error
	if c.file, err = os.Create(path); err != nil {
		t.Fatal(err)
	}
	if c.w, err = pcapng.NewWriter(c.file, pcapng.Section{Application: "castnet interop"}); err == nil {
		_, err = c.w.AddInterface(pcapng.Interface{Name: "any", LinkType: pcapng.Ethernet})
	}
	if err == nil {
		err = c.open(ns)
	}
	if err != nil {
		c.file.Close()
		t.Fatal(err)
	}
	go c.run()
	t.Cleanup(c.stop)
	return c
}

// open opens a packet socket in the namespace, bound to no device.
func (c *capture) open(ns *netns.Namespace) error {
	var d int
	var err error
	ns.Do(func() { d, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) })
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(d, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3),
		unix.SetsockoptTpacketReq3(d, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
			Block_size: blockSize, Block_nr: blocks, Frame_size: 2048, Frame_nr: blocks * blockSize / 2048, Retire_blk_tov: retireAfter,
		}))
	if err == nil {
		c.ring, err = unix.Mmap(d, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err == nil {
		all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff}) // htons
		err = unix.Bind(d, &unix.SockaddrLinklayer{Protocol: all})
	}
	c.sock = os.NewFile(uintptr(d), "packet socket")
	if err == nil {
		c.conn, err = c.sock.SyscallConn()
	}
	if err != nil {
		c.sock.Close()
	}
	return err
}

// ignoreOutgoing leaves out from now on what the kernel sends.
func (c *capture) ignoreOutgoing() (err error) {
	c.conn.Control(func(d uintptr) {
		err = unix.SetsockoptInt(int(d), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	})
	return err
}

// leaveOut leaves out what a device sees from now on.
func (c *capture) leaveOut(index int) { c.left.Store(int32(index), true) }

// run writes down what comes until the socket's deadline, and then what has been
// seen by then.
func (c *capture) run() {
	defer close(c.done)
	for {
		waitErr := c.conn.Read(func(uintptr) bool { return c.read() })
		if waitErr != nil {
			break
		}
		if c.err != nil {
			return
		}
	}
	var passed uint32
	c.conn.Control(func(d uintptr) {
		stats, err := unix.GetsockoptTpacketStatsV3(int(d), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			c.err = os.NewSyscallError("getsockopt", err)
			return
		}
		if passed = stats.Packets; stats.Drops > 0 {
			c.err = fmt.Errorf("%d frames of %d were lost for want of room", stats.Drops, passed)
		}
	})
	// The last block is handed over soon.
	for end := time.Now().Add(patience); c.err == nil && c.seen < passed; {
		if !c.read() {
			time.Sleep(time.Millisecond)
		}
		if time.Now().After(end) {
			c.err = fmt.Errorf("of %d frames that passed %d are in the ring", passed, c.seen)
		}
	}
}

// read writes down the frames of a block, if one is handed over.
func (c *capture) read() bool {
	block := c.ring[c.next*blockSize:][:blockSize]
	h := (*unix.TpacketHdrV1)(unsafe.Pointer(&block[unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr)]))
	if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	at := h.Offset_to_first_pkt
	for range h.Num_pkts {
		f := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[at]))
		if err := c.write(f, block[at:]); err != nil {
			c.err = errors.Join(c.err, err)
		}
		at += f.Next_offset
	}
	atomic.StoreUint32(&h.Block_status, unix.TP_STATUS_KERNEL)
	c.next = (c.next + 1) % blocks
	return true
}

// write writes down one frame. Its bytes in the ring begin with its header there,
// behind which is the address.
func (c *capture) write(f *unix.Tpacket3Hdr, b []byte) error {
	c.seen++
	const align = 16 // TPACKET_ALIGNMENT
	at := (unsafe.Sizeof(*f) + align - 1) / align * align
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&b[at]))
	frame := b[f.Mac:][:f.Snaplen]
	if from.Hatype != unix.ARPHRD_ETHER || len(frame) < wire.EthernetHeaderLen {
		return nil
	}
	if _, out := c.left.Load(from.Ifindex); out {
		return nil
	}
	if f.Snaplen < f.Len {
		return fmt.Errorf("of a frame of %d bytes %d were captured", f.Len, f.Snaplen)
	}
	p := pcapng.Packet{Time: time.Unix(int64(f.Sec), int64(f.Nsec)), Data: frame, Direction: pcapng.Inbound}
	if from.Pkttype == unix.PACKET_OUTGOING {
		p.Direction = pcapng.Outbound
	} else {
		c.incoming[wire.MAC(frame[6:12])]++
	}
	return c.w.WritePacket(&p)
}

// stop ends the capture. It has all that was sent before; the file is whole when
// stop returns.
func (c *capture) stop() {
	if c.stopped {
		return
	}
	c.stopped = true
	c.sock.SetReadDeadline(time.Unix(1, 0))
	<-c.done
	if err := errors.Join(c.err, c.w.Flush(), unix.Munmap(c.ring), c.sock.Close(), c.file.Close()); err != nil {
		c.t.Errorf("the capture: %v", err)
	}
}
