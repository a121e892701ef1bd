package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// A namespace is a network namespace, and the OS thread that lives in it. It goes
// when the thread and the last descriptor are gone.
type namespace struct {
	calls chan func()
}

// newNamespace makes a namespace for the duration of the test.
func newNamespace(tb testing.TB) *namespace {
	tb.Helper()
	ns := &namespace{calls: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread is not to be used for anything else,
		// and ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		made <- err
		if err != nil {
			return
		}
		for f := range ns.calls {
			f()
		}
	}()
	if err := <-made; err != nil {
		tb.Fatalf("unshare(CLONE_NEWNET): %v", err)
	}
	tb.Cleanup(func() { close(ns.calls) })
	return ns
}

// do calls f on the namespace's thread.
func (ns *namespace) do(f func()) {
	done := make(chan struct{})
	ns.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// ip runs iproute2 in the namespace, one command a line.
func (ns *namespace) ip(tb testing.TB, batch string) {
	tb.Helper()
	var out []byte
	var err error
	ns.do(func() {
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = bytes.NewBufferString(batch)
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		tb.Fatalf("ip -batch: %v\n%s\n%s", err, out, batch)
	}
}

// sysctl sets a parameter of the namespace, by its path below /proc/sys/net.
func (ns *namespace) sysctl(tb testing.TB, path, value string) {
	tb.Helper()
	var err error
	ns.do(func() { err = os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) })
	if err != nil {
		tb.Fatalf("sysctl: %v", err)
	}
}

// network is the operating system's network as it is in the namespace.
type namespacedNetwork struct {
	socket.Network
	ns *namespace
}

// Open makes a socket that lives in the namespace wherever it is used from.
func (n namespacedNetwork) Open(f socket.Family) (s socket.Socket, err error) {
	n.ns.do(func() { s, err = n.Network.Open(f) })
	return s, err
}

// Interfaces lists the namespace's interfaces.
func (n namespacedNetwork) Interfaces() (list []socket.Interface, err error) {
	n.ns.do(func() { list, err = n.Network.Interfaces() })
	return list, err
}

// tap makes a TAP device in the namespace and returns its descriptor.
func (ns *namespace) tap(tb testing.TB, name string) *os.File {
	tb.Helper()
	var f *os.File
	var err error
	ns.do(func() { f, err = openTAP(name) })
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

// dropPrivilege takes the rights to bind ports below 1024 and to change what
// interface a socket is bound to from the namespace's thread, for good.
func (ns *namespace) dropPrivilege(tb testing.TB) {
	tb.Helper()
	var err error
	ns.do(func() {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err = unix.Capget(&head, &data[0]); err != nil {
			return
		}
		data[0].Effective &^= 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW
		err = unix.Capset(&head, &data[0])
	})
	if err != nil {
		tb.Fatalf("giving up capabilities: %v", err)
	}
}
