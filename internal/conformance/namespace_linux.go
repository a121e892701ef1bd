package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
)

// A namespace is a network namespace with what a Machine needs of it besides.
type namespace struct{ *netns.Namespace }

// ip runs iproute2 in the namespace, one command a line.
func (ns namespace) ip(tb testing.TB, batch string) {
	tb.Helper()
	var out []byte
	var err error
	ns.Do(func() {
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = bytes.NewBufferString(batch)
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		tb.Fatalf("ip -batch: %v\n%s\n%s", err, out, batch)
	}
}

// namespacedNetwork is the operating system's network as it is in the namespace.
type namespacedNetwork struct {
	socket.Network
	ns namespace
}

// Open makes a socket that lives in the namespace wherever it is used from.
func (n namespacedNetwork) Open(f socket.Family) (s socket.Socket, err error) {
	n.ns.Do(func() { s, err = n.Network.Open(f) })
	return s, err
}

// Interfaces lists the namespace's interfaces.
func (n namespacedNetwork) Interfaces() (list []socket.Interface, err error) {
	n.ns.Do(func() { list, err = n.Network.Interfaces() })
	return list, err
}

// tap makes a TAP device in the namespace and returns its descriptor.
func (ns namespace) tap(tb testing.TB, name string) *os.File {
	tb.Helper()
	var f *os.File
	var err error
	ns.Do(func() { f, err = openTAP(name) })
	if err != nil {
		tb.Fatalf("TAP device: %v", err)
	}
	return f
}

func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// dropPrivilege takes the rights to bind ports below 1024, to change what interface
// a socket is bound to, and to be transparent, from the namespace's thread, for good.
func (ns namespace) dropPrivilege(tb testing.TB) {
	tb.Helper()
	var err error
	ns.Do(func() {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err = unix.Capget(&head, &data[0]); err != nil {
			return
		}
		data[0].Effective &^= 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
		err = unix.Capset(&head, &data[0])
	})
	if err != nil {
		tb.Fatalf("giving up capabilities: %v", err)
	}
}
