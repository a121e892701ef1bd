package dgram_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/socket"
)

// TestBindFD: a descriptor becomes the socket's; one that is no UDP socket's stays the
// caller's.
func TestBindFD(t *testing.T) {
	everywhere(t, func(w *world) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.Fatal(err)
		}
		s := w.socket(dgram.Options{})
		if w.name != "host" {
			defer unix.Close(fd)
			if err := s.BindFD(fd, nil); !errors.Is(err, socket.ErrNotSupported) {
				w.Errorf("BindFD = %v", err)
			}
			s.Close(nil)
			w.run()
			return
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			w.Fatal(err)
		}
		pipe := make([]int, 2)
		if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
			w.Fatal(err)
		}
		defer unix.Close(pipe[1])
		if err := s.BindFD(pipe[0], nil); !errors.Is(err, dgram.ErrInvalidFDType) {
			w.Errorf("of a pipe: %v", err)
		}
		if err := unix.Close(pipe[0]); err != nil {
			w.Errorf("the pipe was closed: %v", err)
		}
		s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
			w.note("%s", msg)
			s.Close(nil)
		})
		do(w, s.BindFD(fd, func() {
			do(w, s.Send([]byte("x"), w.port(s), "127.0.0.1", nil))
		}))
		w.is(s.BindFD(fd, nil), dgram.ErrSocketAlreadyBound, "Socket is already bound")
		w.run()
		w.want("x")
	})
}
