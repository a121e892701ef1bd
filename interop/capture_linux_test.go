package interop

import (
	"encoding/binary"
	"errors"
	"os"
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
type capture struct {
	t    *testing.T
	path string
	sock *os.File
	conn syscall.RawConn
	file *os.File
	w    *pcapng.Writer
	done chan struct{}

	frame   [65536]byte
	control [128]byte

	stopped  bool
	err      error
	incoming map[wire.MAC]int // frames that came in, by who sent them; of a capture that is stopped
}

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
	ns.Do(func() {
		all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff}) // htons
		d, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(all))
	})
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	const room = 64 << 20 // more than any test sends while the reader is not scheduled
	err = errors.Join(
		unix.SetsockoptInt(d, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
		unix.SetsockoptInt(d, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
	c.sock = os.NewFile(uintptr(d), "packet socket")
	if err == nil {
		c.conn, err = c.sock.SyscallConn()
	}
	if err != nil {
		c.sock.Close()
	}
	return err
}

// run writes down what comes until the socket's deadline, and then what is there
// already.
func (c *capture) run() {
	defer close(c.done)
	for {
		more, err := false, error(nil)
		waitErr := c.conn.Read(func(d uintptr) bool {
			more, err = c.read(int(d))
			return more || err != nil
		})
		if waitErr != nil {
			break
		}
		if err != nil {
			c.err = err
			return
		}
	}
	c.conn.Control(func(d uintptr) {
		for more := true; more && c.err == nil; {
			more, c.err = c.read(int(d))
		}
		stats, err := unix.GetsockoptTpacketStats(int(d), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil && stats.Drops > 0 {
			err = errors.New("frames were lost for want of room")
		}
		c.err = errors.Join(c.err, err)
	})
}

// read writes down one frame, if there is one.
func (c *capture) read(d int) (more bool, err error) {
	n, controlLen, _, from, err := unix.Recvmsg(d, c.frame[:], c.control[:], 0)
	switch {
	case err == unix.EAGAIN:
		return false, nil
	case err == unix.EINTR, err == unix.ENETDOWN: // a device went down
		return true, nil
	case err != nil:
		return false, err
	}
	sa, ok := from.(*unix.SockaddrLinklayer)
	if !ok || sa.Hatype != unix.ARPHRD_ETHER || n < wire.EthernetHeaderLen {
		return true, nil
	}
	p := pcapng.Packet{Time: arrival(c.control[:controlLen]), Data: c.frame[:n], Direction: pcapng.Inbound}
	if sa.Pkttype == unix.PACKET_OUTGOING {
		p.Direction = pcapng.Outbound
	} else {
		c.incoming[wire.MAC(c.frame[6:12])]++
	}
	return true, c.w.WritePacket(&p)
}

// arrival returns the kernel's time stamp.
func arrival(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_TIMESTAMPNS {
			continue
		}
		var ts unix.Timespec
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&ts)), unsafe.Sizeof(ts)), m.Data)
		return time.Unix(ts.Unix())
	}
	return time.Now()
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
	if err := errors.Join(c.err, c.w.Flush(), c.sock.Close(), c.file.Close()); err != nil {
		c.t.Errorf("the capture: %v", err)
	}
}
