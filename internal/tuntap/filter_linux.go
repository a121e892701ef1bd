package tuntap

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// maxFilter is how many addresses a filter may list, far beyond what the kernel
// keeps apart.
const maxFilter = 4096

// SetFilter programs which frames the kernel hands to the TAP device of that
// descriptor (TUNSETTXFILTER): those to the address, to broadcast and to f's groups.
func SetFilter(fd int, address wire.MAC, f link.Filter) error {
	const allMulticast = 1 // TUN_FLT_ALLMULTI
	// struct tun_filter; one without addresses lets everything pass.
	ne := binary.NativeEndian
	b := make([]byte, 4, 4+6*(2+len(f.Groups)))
	if f.Mode != link.Promiscuous {
		if len(f.Groups) > maxFilter {
			return fmt.Errorf("a filter of %d groups: %d are enough for a device", len(f.Groups), maxFilter)
		}
		b = append(b, address[:]...)
		b = append(b, wire.Broadcast[:]...)
		for _, g := range f.Groups {
			if !g.IsMulticast() {
				return fmt.Errorf("%v is no group's address", g)
			}
			b = append(b, g[:]...)
		}
		ne.PutUint16(b[2:], uint16((len(b)-4)/6))
		if f.Mode == link.AllMulticast {
			ne.PutUint16(b, allMulticast)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETTXFILTER, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return os.NewSyscallError("ioctl TUNSETTXFILTER", errno)
	}
	return nil
}
