package host

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// TestRuntimeHearsOfWhoParks holds that the runtime's poller does not know of a socket
// that is only asked, and does of one that was waited for.
func TestRuntimeHearsOfWhoParks(t *testing.T) {
	s := open4(t)
	send(t, s, s.LocalAddr(), "x")
	if n, err := s.TryRecv([]socket.Message{{Buf: make([]byte, 1)}}); n != 1 || err != nil {
		t.Fatalf("TryRecv = %d, %v", n, err)
	}
	_ = s.Ready(allEvents)
	if s.fd.file != nil {
		t.Error("the runtime knows of a socket that nobody has waited for")
	}
	send(t, s, s.LocalAddr(), "x")
	must(t, s.Wait(socket.Readable, nil))
	if s.fd.file == nil {
		t.Error("the runtime does not know of a socket that was waited for")
	}
	must(t, s.Close())
}

// TestCloseWaitsForUsers holds that nobody has a descriptor in hand when it is closed.
func TestCloseWaitsForUsers(t *testing.T) {
	for _, parks := range []bool{false, true} {
		s := open4(t)
		if parks {
			must(t, s.fd.ready())
		}
		if !s.fd.use() {
			t.Fatal("an open descriptor cannot be used")
		}
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		until(t, func() bool { return s.fd.users.Load() >= noMore })
		if s.fd.use() {
			t.Error("a descriptor that is being closed can be used")
		}
		if _, err := unix.GetsockoptInt(s.fd.fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
			t.Errorf("it was closed while somebody used it: %v", err)
		}
		select {
		case <-closed:
			t.Error("Close does not wait for who uses the descriptor")
		default:
		}
		s.fd.release()
		within(t, closed)
	}
}

// TestSendAndCloseAtOnce has senders, and one who parks, meet Close.
func TestSendAndCloseAtOnce(t *testing.T) {
	for range 50 {
		s := open4(t)
		to := s.LocalAddr()
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				for {
					if _, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: to}}); err == socket.ErrClosed {
						return
					}
				}
			})
		}
		group.Go(func() {
			for s.Wait(socket.Readable, nil) == nil {
				_, _ = s.TryRecv([]socket.Message{{Buf: make([]byte, 1)}})
			}
		})
		runtime.Gosched()
		must(t, s.Close())
		group.Wait()
	}
}

// TestForgottenDescriptor holds that the garbage collector closes what nobody has closed.
func TestForgottenDescriptor(t *testing.T) {
	for _, parks := range []bool{false, true} {
		fd := func() int {
			s, err := open(socket.IPv4)
			must(t, err)
			if parks {
				must(t, s.fd.ready())
			}
			return s.fd.fd
		}()
		deadline := time.Now().Add(hang)
		for {
			runtime.GC()
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == unix.EBADF {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("parkable %v: it stays open", parks)
			}
			runtime.Gosched()
		}
	}
}
