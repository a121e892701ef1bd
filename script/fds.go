package script

import (
	"os"
	"strconv"
	"syscall"

	"github.com/dop251/goja"
)

// fds are the descriptors of a script: numbers for its sockets and open files. They
// are the script's own, on every network: on the operating system's too they are not
// the process's.
type fds struct {
	next    int
	open    map[int]any // *udpHandle, *os.File, *tcpHandle
	handles map[*udpHandle]bool
}

// maxFDs is how many a script can have open.
const maxFDs = 65536

func (f *fds) init() {
	f.next, f.open, f.handles = 3, make(map[int]any), make(map[*udpHandle]bool)
}

// add returns the number of a new one, or -1 if there are too many.
func (f *fds) add(v any) int {
	if len(f.open) >= maxFDs {
		return -1
	}
	for fd := 3; ; fd++ {
		if _, taken := f.open[fd]; !taken {
			f.open[fd] = v
			return fd
		}
	}
}

func (f *fds) get(fd int) any { return f.open[fd] }

func (f *fds) free(fd int) { delete(f.open, fd) }

func (f *fds) closeAll() {
	for fd, v := range f.open {
		if file, ok := v.(*os.File); ok {
			file.Close()
		}
		delete(f.open, fd)
	}
}

// kind is what Node's guessHandleType says of a descriptor.
func (f *fds) kind(fd int) string {
	switch f.open[fd].(type) {
	case *udpHandle:
		return "UDP"
	case *tcpHandle:
		return "TCP"
	case *os.File:
		return "FILE"
	}
	if fd >= 0 && fd <= 2 {
		return "PIPE"
	}
	return "INVALID"
}

// active names what keeps the loop alive, as process.getActiveResourcesInfo does.
func (r *Runtime) active() (names []string) {
	for h := range r.fds.handles {
		if h.u.Active() && h.u.HasRef() {
			names = append(names, "UDPWrap")
		}
	}
	for range r.timers.active() {
		names = append(names, "Timeout")
	}
	return names
}

// tcpHandle is a descriptor of the kind TCP, and no more: there is no TCP here. It
// exists so that a script can see that dgram refuses it.
type tcpHandle struct{ fd int }

func (r *Runtime) bindTCP(o *goja.Object) {
	o.Set("open", func() int { return r.fds.add(&tcpHandle{}) })
	o.Set("close", func(fd int) {
		if _, ok := r.fds.get(fd).(*tcpHandle); ok {
			r.fds.free(fd)
		}
	})
	o.Set("notSupported", -int(syscall.ENOTSUP))
}

func itoa(n int) string { return strconv.Itoa(n) }
