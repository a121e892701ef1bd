package castnet

import (
	"net"
	"syscall"
	"testing"
)

func TestHostConn(t *testing.T) {
	c, err := Listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h, ok := c.Host()
	if !ok {
		t.Fatal("a Conn on the operating system's network is no HostConn")
	}
	raw, err := h.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var port int
	raw.Control(func(fd uintptr) {
		sa, err := syscall.Getsockname(int(fd))
		if err != nil {
			t.Error(err)
			return
		}
		port = sa.(*syscall.SockaddrInet4).Port
	})
	if want := c.LocalAddr().(*net.UDPAddr).Port; port != want {
		t.Errorf("the descriptor is bound to port %d, want %d", port, want)
	}
	if _, ok := any(c).(syscall.Conn); ok {
		t.Error("Conn itself is a syscall.Conn")
	}
	if _, ok := listen(t, Config{On: newFake()}, "udp4", "127.0.0.1:0").Host(); ok {
		t.Error("a Conn that is not on the operating system's network says it is")
	}
}
