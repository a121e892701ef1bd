package dgram_test

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/dgram"
)

func TestSettersOfAnUnboundSocketAreEBADF(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		for name, err := range map[string]error{
			"setBroadcast": s.SetBroadcast(true), "setTTL": s.SetTTL(1), "setMulticastTTL": s.SetMulticastTTL(1),
			"setMulticastLoopback": s.SetMulticastLoopback(true), "setMulticastInterface": s.SetMulticastInterface("0.0.0.0"),
		} {
			w.is(err, syscall.EBADF, name+" EBADF")
		}
		_, err := s.Address()
		w.is(err, syscall.EBADF, "getsockname EBADF")
	})
}

func TestBufferSizesOfAnUnboundSocketHaveInfo(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		_, recv := s.RecvBufferSize()
		_, snd := s.SendBufferSize()
		for _, c := range []struct {
			kind string
			err  error
		}{{"recv", recv}, {"send", snd}, {"recv", s.SetRecvBufferSize(8192)}, {"send", s.SetSendBufferSize(8192)}} {
			call := "uv_" + c.kind + "_buffer_size"
			w.is(c.err, dgram.ErrSocketBufferSize, "Could not get or set buffer size: "+call+" returned EBADF (bad file descriptor)")
			var e *dgram.Error
			if !errors.As(c.err, &e) || e.Name != "SystemError" || *e.Info != (dgram.Info{Errno: syscall.EBADF, Code: "EBADF", Message: "bad file descriptor", Syscall: call}) {
				w.Errorf("%#v", c.err)
			}
			if !errors.Is(c.err, syscall.EBADF) {
				w.Error("errors.Is does not find the errno")
			}
		}
	})
}

func TestBufferSizes(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{RecvBufferSize: 20000, SendBufferSize: 30000})
		s.OnListening(func() { // they are set by then
			recv, err1 := s.RecvBufferSize()
			snd, err2 := s.SendBufferSize()
			if recv != 40000 || snd != 60000 || err1 != nil || err2 != nil {
				w.Errorf("%d, %d, %v, %v: Linux doubles them", recv, snd, err1, err2)
			}
			do(w, s.SetRecvBufferSize(10000))
			do(w, s.SetRecvBufferSize(0)) // changes nothing
			if recv, err := s.RecvBufferSize(); recv != 20000 || err != nil {
				w.Errorf("%d, %v", recv, err)
			}
			for _, size := range []int{-1, math.MaxUint32 + 1} {
				w.is(s.SetSendBufferSize(size), dgram.ErrSocketBadBufferSize, "Buffer size must be a positive integer")
			}
			w.is(s.SetSendBufferSize(math.MaxInt32+1), dgram.ErrSocketBufferSize,
				"Could not get or set buffer size: uv_send_buffer_size returned EINVAL (invalid argument)")
			s.Close(nil)
		})
		do(w, s.Bind(0, "127.0.0.1", nil))
		w.run()
	})
}

func TestTTLs(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		for ttl, ok := range map[int]bool{-1: false, 0: false, 1: true, 255: true, 256: false} {
			if err := s.SetTTL(ttl); (err == nil) != ok {
				w.Errorf("SetTTL(%d) = %v", ttl, err)
			} else if !ok {
				w.is(err, syscall.EINVAL, "setTTL EINVAL")
			}
		}
		for ttl, ok := range map[int]bool{-1: false, 0: true, 1: true, 255: true, 256: false} {
			if err := s.SetMulticastTTL(ttl); (err == nil) != ok {
				w.Errorf("SetMulticastTTL(%d) = %v", ttl, err)
			} else if !ok {
				w.is(err, syscall.EINVAL, "setMulticastTTL EINVAL")
			}
		}
		do(w, s.SetMulticastLoopback(false))
		do(w, s.SetBroadcast(true))
		s.Close(nil)
		w.run()
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, typ := range []string{"", "udp", "udp5", "UDP4"} {
		if s, err := dgram.CreateSocket(dgram.Options{Type: typ}); s != nil || !errors.Is(err, dgram.ErrSocketBadType) {
			t.Errorf("type %q: %v", typ, err)
		}
	}
	for _, size := range []int{-1, math.MaxUint32 + 1} {
		_, err := dgram.CreateSocket(dgram.Options{Type: "udp4", RecvBufferSize: size})
		want := fmt.Sprintf(`The value of "options.recvBufferSize" is out of range. It must be >= 0 && <= 4294967295. Received %d`, size)
		if !errors.Is(err, dgram.ErrOutOfRange) || err.Error() != want {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestRefAndUnref(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		if !s.HasRef() {
			w.Error("a socket does not hold the loop at first")
		}
		s.Unref()
		s.Unref()
		w.run() // ends although the socket is open
		if s.Closed() || s.HasRef() {
			w.Error("it was closed")
		}
		s.Ref()
		w.after(0, func() { w.note("timer"); s.Close(nil) })
		w.run()
		w.want("timer")
	})
}

func TestReuseAddr(t *testing.T) {
	everywhere(t, func(w *world) {
		a := w.server("a", dgram.Options{ReuseAddr: true})
		b := w.socket(dgram.Options{ReuseAddr: true})
		do(w, b.Bind(w.port(a), "127.0.0.1", func() {
			w.note("shared")
			a.Close(nil)
			b.Close(nil)
		}))
		w.run()
		w.want("shared")
	})
}

func TestReusePort(t *testing.T) {
	everywhere(t, func(w *world) {
		a := w.server("a", dgram.Options{ReusePort: true})
		b := w.socket(dgram.Options{ReusePort: true})
		c := w.socket(dgram.Options{})
		c.OnError(func(err error) {
			w.note("refused who does not share")
			a.Close(nil)
			b.Close(nil)
			c.Close(nil)
		})
		do(w, b.Bind(w.port(a), "127.0.0.1", func() {
			w.note("shared")
			do(w, c.Bind(w.port(a), "127.0.0.1", nil))
		}))
		w.run()
		w.want("shared", "refused who does not share")
	})
}
