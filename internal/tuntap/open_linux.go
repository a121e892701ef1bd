package tuntap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
)

// maxQueues is the number of queues that the kernel gives a device: MAX_TAP_QUEUES.
const maxQueues = 256

// Open makes a device of that name, or opens the one that exists, and brings it
// up. If the name is empty it is "tap%d" or "tun%d"; %d stands for the first number
// that is free.
//
// The error says which kind of device, and its name. Without CAP_NET_ADMIN it is a
// *link.CapabilityError around EPERM.
func Open(name string, cfg Config) (*Device, error) {
	if name == "" {
		name = cfg.kind() + "%d"
	}
	d := &Device{Name: name}
	err := d.open(&cfg)
	if err == nil {
		err = d.configure(&cfg)
	}
	if err == nil && cfg.Persistent {
		err = os.NewSyscallError("ioctl TUNSETPERSIST", unix.IoctlSetInt(d.Descriptors[0], unix.TUNSETPERSIST, 1))
	}
	if err != nil {
		for _, fd := range d.Descriptors {
			unix.Close(fd)
		}
		return nil, Refusal(cfg.TAP, d.Name, err)
	}
	return d, nil
}

// open opens the queues.
func (d *Device) open(cfg *Config) error {
	queues := max(cfg.Queues, 1)
	if cfg.Queues < 0 || queues > maxQueues {
		return fmt.Errorf("%d queues: a device has 1 to %d", cfg.Queues, maxQueues)
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if cfg.TAP {
		flags = unix.IFF_TAP | unix.IFF_NO_PI
	}
	if queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	offload := cfg.Offload.Allowed()
	if offload != link.OffloadNone {
		flags |= unix.IFF_VNET_HDR
	}
	for range queues {
		fd, name, err := openQueue(d.Name, flags, cfg.kind())
		if err != nil && errors.Is(err, unix.EINVAL) && flags&unix.IFF_MULTI_QUEUE == 0 {
			// A device that was made for several queues is opened as such.
			var e error
			if fd, name, e = openQueue(d.Name, flags|unix.IFF_MULTI_QUEUE, cfg.kind()); e == nil {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		d.Descriptors = append(d.Descriptors, fd)
		d.Name = name
	}
	return d.negotiate(offload)
}

// openQueue returns a descriptor of a device's next queue, and the device's name.
func openQueue(name string, flags uint16, kind string) (int, string, error) {
	// NewIfreq refuses names that are too long; the kernel those with
	// characters that it does not like.
	req, err := unix.NewIfreq(name)
	if err != nil {
		return -1, name, fmt.Errorf("not a name for a device, which has up to %d characters: %w", unix.IFNAMSIZ-1, err)
	}
	d, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		err = &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
		if !errors.Is(err, unix.EACCES) {
			err = fmt.Errorf("%w: is the tun driver there? (sudo modprobe tun; a container needs --device /dev/net/tun)", err)
		}
		return -1, name, err
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(d, unix.TUNSETIFF, req); err != nil {
		unix.Close(d)
		err = os.NewSyscallError("ioctl TUNSETIFF", err)
		switch {
		case errors.Is(err, unix.EBUSY):
			err = fmt.Errorf("%w: another program has it open", err)
		case errors.Is(err, unix.EINVAL) && flags&unix.IFF_MULTI_QUEUE != 0:
			err = fmt.Errorf("%w: not a name for a device, or that of one which is no %s device with several queues", err, strings.ToUpper(kind))
		case errors.Is(err, unix.EINVAL):
			err = fmt.Errorf("%w: not a name for a device, or that of one which is no %s device", err, strings.ToUpper(kind))
		}
		return -1, name, err
	}
	return d, req.Name(), nil
}

// offloads are the sets of offloads to ask for, the best first.
var offloads = []struct {
	flags int
	set   link.Capabilities
}{
	{unix.TUN_F_CSUM | unix.TUN_F_USO4 | unix.TUN_F_USO6, link.ChecksumTransmit | link.Segmentation},
	{unix.TUN_F_CSUM, link.ChecksumTransmit},
	{0, 0},
}

// headerLen is the length of the virtio-net header that is asked for.
const headerLen = 10

// negotiate finds out whether frames come with headers, and tells the kernel what
// we take. That holds for the whole device, so one queue speaks for all.
func (d *Device) negotiate(offload link.Offload) error {
	fd := d.Descriptors[0]
	req, err := unix.NewIfreq(d.Name)
	if err != nil {
		return err
	}
	// A device with several queues that somebody else has open is as it is.
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, req); err != nil {
		return os.NewSyscallError("ioctl TUNGETIFF", err)
	}
	if req.Uint16()&unix.IFF_VNET_HDR == 0 {
		offload = link.OffloadNone
	} else {
		d.Header = headerLen
		if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, headerLen); err != nil {
			return os.NewSyscallError("ioctl TUNSETVNETHDRSZ", err)
		}
	}
	first := map[link.Offload]int{link.OffloadAll: 0, link.OffloadChecksums: 1, link.OffloadNone: 2}[offload]
	for _, o := range offloads[first:] {
		if err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, o.flags); err == nil {
			d.Offload = o.set
			return nil
		}
		if err != unix.EINVAL {
			break
		}
	}
	return os.NewSyscallError("ioctl TUNSETOFFLOAD", err)
}

// configure makes the device what cfg says, changing nothing that is right.
func (d *Device) configure(cfg *Config) error {
	dev, err := net.InterfaceByName(d.Name)
	if err != nil {
		return err
	}
	if cfg.TAP {
		copy(d.HostAddress[:], dev.HardwareAddr)
		if d.HostAddress == cfg.Address {
			return fmt.Errorf("%v is the hardware address of the kernel's end; ours must be another", cfg.Address)
		}
	}
	d.MTU = dev.MTU
	if cfg.MTU != 0 && cfg.MTU != dev.MTU {
		if err := SetMTU(d.Name, cfg.MTU); err != nil {
			return err
		}
		d.MTU = cfg.MTU
	}
	for _, a := range cfg.HostAddresses {
		if err := addAddress(dev.Index, a, cfg.Peer); err != nil {
			return fmt.Errorf("adding the address %v: %w", a, err)
		}
	}
	if dev.Flags&net.FlagUp == 0 {
		if err := setUp(d.Name); err != nil {
			return err
		}
	}
	// A route needs a device that is up.
	for _, r := range cfg.HostRoutes {
		if err := addRoute(dev.Index, r); err != nil {
			return fmt.Errorf("adding a route to %v: %w", r, err)
		}
	}
	return nil
}

// SetMTU sets the MTU of the device of that name. It is to be called in the network
// namespace in which the device lives.
func SetMTU(name string, mtu int) error {
	return deviceIoctl(name, func(d int, req *unix.Ifreq) error {
		req.SetUint32(uint32(mtu))
		if err := unix.IoctlIfreq(d, unix.SIOCSIFMTU, req); err != nil {
			return fmt.Errorf("setting the MTU to %d: %w", mtu, os.NewSyscallError("ioctl SIOCSIFMTU", err))
		}
		return nil
	})
}

func setUp(name string) error {
	return deviceIoctl(name, func(d int, req *unix.Ifreq) error {
		if err := unix.IoctlIfreq(d, unix.SIOCGIFFLAGS, req); err != nil {
			return os.NewSyscallError("ioctl SIOCGIFFLAGS", err)
		}
		req.SetUint16(req.Uint16() | unix.IFF_UP)
		if err := unix.IoctlIfreq(d, unix.SIOCSIFFLAGS, req); err != nil {
			return fmt.Errorf("bringing it up: %w", os.NewSyscallError("ioctl SIOCSIFFLAGS", err))
		}
		return nil
	})
}

// deviceIoctl performs an ioctl about the device of that name.
func deviceIoctl(name string, f func(d int, req *unix.Ifreq) error) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	d, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(d)
	return f(d, req)
}

// Refusal is the error of doing something with the device, with what can be done
// about it.
func Refusal(tap bool, name string, err error) error {
	kind := (&Config{TAP: tap}).kind()
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: %s: %w", kind, name, err)
	}
	program, e := os.Executable()
	if e != nil {
		program = os.Args[0]
	}
	// A device is made under a name without %d, and is found by it alone.
	made, then := strings.ReplaceAll(name, "%d", "0"), ""
	if made != name {
		then = fmt.Sprintf(", and open it by that name (on a command line: --on %s,name=%s,...)", kind, made)
	}
	return &link.CapabilityError{
		Op: kind + ": " + name, Capability: "CAP_NET_ADMIN", Err: err,
		Grant: fmt.Sprintf("sudo setcap cap_net_admin+ep %s; or make the device for yourself: "+
			"sudo ip tuntap add dev %s mode %s user $USER && sudo ip link set %s up%s", program, made, kind, made, then),
	}
}
