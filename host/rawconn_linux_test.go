package host

import (
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/castnet-go/castnet/socket"
)

// parkRaw parks a function through SyscallConn, in RawConn.Read or Write, that
// finds nothing however often it is woken.
func parkRaw(t *testing.T, s *Socket, events socket.Events) <-chan error {
	t.Helper()
	raw, err := s.SyscallConn()
	must(t, err)
	park := raw.Read
	if events == socket.Writable {
		park = raw.Write
	}
	parked := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- park(func(uintptr) bool {
			select {
			case parked <- struct{}{}:
			default:
			}
			return false
		})
	}()
	within(t, parked)
	return done
}

// Who has to wait behind a function that is parked through SyscallConn can be
// cancelled, and the function is not disturbed.
func TestCancelBehindParkedRaw(t *testing.T) {
	s := open4(t)
	reads, writes := parkRaw(t, s, socket.Readable), parkRaw(t, s, socket.Writable)
	for range 20 {
		var cancel socket.Cancel
		done := make(chan error, 3)
		go func() { done <- s.Wait(socket.Readable, &cancel) }()
		go func() { done <- s.Wait(socket.Writable, &cancel) }()
		received := goReceive(s, &cancel)
		untilWaiting(t, &s.read.turn, 2)
		untilWaiting(t, &s.write.turn, 1)
		cancel.Fire()
		wantReceiveError(t, received, socket.ErrCancelled)
		for range 2 {
			if err := within(t, done); err != socket.ErrCancelled {
				t.Errorf("Wait behind a parked function = %v, want ErrCancelled", err)
			}
		}
	}
	select {
	case err := <-reads:
		t.Errorf("the function that was parked for reading returned %v", err)
	case err := <-writes:
		t.Errorf("the function that was parked for writing returned %v", err)
	default:
	}

	// What is there can be taken all the same.
	send(t, s, s.LocalAddr(), "x")
	wantReceived(t, goReceive(s, nil), "x")

	// Nor need one wait to hear that nothing will come.
	_ = s.Shutdown(socket.ShutRead)
	wantReceiveError(t, goReceive(s, nil), syscall.EAGAIN)

	must(t, s.Close())
	if within(t, reads) == nil || within(t, writes) == nil {
		t.Error("a parked function returned without an error when the socket was closed")
	}
	raw := rawConn{s}
	if raw.Read(func(uintptr) bool { return true }) == nil || raw.Write(func(uintptr) bool { return true }) == nil || raw.Control(func(uintptr) {}) == nil {
		t.Error("the descriptor of a closed socket could be had")
	}
}

func TestRawReadTakesItsTurn(t *testing.T) {
	s := open4(t)
	raw, err := s.SyscallConn()
	must(t, err)
	received := goReceive(s, nil)
	untilParked(t, &s.read)
	done := make(chan error, 1)
	buf := make([]byte, 10)
	var n int
	go func() {
		done <- raw.Read(func(fd uintptr) bool {
			var err error
			n, _, err = syscall.Recvfrom(int(fd), buf, 0)
			return err != syscall.EAGAIN
		})
	}()
	untilWaiting(t, &s.read.turn, 1)
	send(t, s, s.LocalAddr(), "1")
	wantReceived(t, received, "1")
	send(t, s, s.LocalAddr(), "22")
	must(t, within(t, done))
	if string(buf[:n]) != "22" {
		t.Errorf("read %q, want 22", buf[:n])
	}
}

// A channel that is made in a synctest bubble must not be used outside, so what a
// socket in one made for its waiters must not come to others.
func TestWaitersStayInTheirBubble(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			s := open4(t)
			wait(t, s, socket.Writable)
			send(t, s, s.LocalAddr(), "x")
			wait(t, s, socket.Readable)
			wantReceived(t, goReceive(s, nil), "x")
		})
		s := open4(t)
		var cancel socket.Cancel
		done := make(chan error, 1)
		go func() { done <- s.Wait(socket.Readable, &cancel) }()
		untilParked(t, &s.read)
		received := goReceive(s, &cancel)
		untilWaiting(t, &s.read.turn, 1)
		cancel.Fire()
		if err := within(t, done); err != socket.ErrCancelled {
			t.Errorf("Wait = %v, want ErrCancelled", err)
		}
		wantReceiveError(t, received, socket.ErrCancelled)
	}
}
