// Package fd makes a link of open file descriptors: of a TAP or TUN device, of
// one end of a socket pair to a virtual machine, of whatever gives and takes
// one frame a read and a write.
//
//	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
//	l, err := fd.New(fd.Config{
//		Descriptors: fds[:1], // the Link owns it from now on
//		Kind:        link.Ethernet,
//		MTU:         1500,
//		Address:     wire.MAC{2, 0, 0, 0, 0, 1},
//	})
//	eth0, err := s.AddInterface("eth0", l)
//
// Drivers of devices (package tap) open theirs and build on this.
//
// # How it works
//
// Each descriptor is a queue. While a sink is attached, a goroutine a queue
// waits in the runtime's poller, reads what is there without blocking, up to 32
// frames, and hands them up in one Deliver. A frame is read into one large
// buffer and copied into a small one, so that a receive queue is charged for
// what it holds and not for what might have come.
//
// Write makes one system call a frame, on the queue that the frame's flow belongs
// to. If a descriptor would block, the frame is held, its socket's send buffer
// charged, and a goroutine sends it when there is room; the frames that follow wait
// behind it, up to Config.QueueLength, and then Write refuses with
// link.ErrQueueFull. So a socket that writes faster than the device takes is told
// EAGAIN, and nothing is lost. (The kernel's TAP and TUN never block: they take a
// frame or drop it, and count it at the device.)
//
// On Linux, sockets of datagrams are read and written many frames a call (recvmmsg,
// sendmmsg), and a frame of the usual size is read straight into the buffer in which
// it is handed up.
//
// With Config.Header, frames come behind virtio-net headers (IFF_VNET_HDR of TAP and
// TUN, PACKET_VNET_HDR, virtual machines), which say of checksums that they are
// unfinished and of packets that they are trains: see link.Capabilities. A train is
// read into a buffer for the longest frame and handed up in it. For a sink that is
// no link.OffloadSink checksums are finished and trains cut up. Unfinished
// checksums of other protocols than UDP are finished for everybody. A train that
// the device refuses with EINVAL, as Linux before 6.9 does from 65 datagrams on, is
// written in datagrams.
//
// Nothing is allocated for a frame, other than by the pools of package packet.
//
// # Limitations
//
// Descriptors must be such that the runtime's poller can wait for them, and keep
// the bounds of what is written: stream sockets and plain files are refused. On
// other systems than Unix, New returns ErrNotSupported.
//
// Attach and Close wait for the reading goroutines, so they must not be called
// from within a Deliver, nor from a socket's notification that one brought about.
//
// Frames are not filtered: SetFilter remembers nothing, and what reads the frames
// must check them, as a stack does.
package fd
