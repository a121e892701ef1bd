package tap

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/wire"
)

// A Link is our end of a TAP device; [Open] makes one. Its other methods are
// those of *fd.Link.
type Link struct {
	*fd.Link
	name string
	host wire.MAC
}

var _ link.Link = (*Link)(nil)

// Open makes a TAP device of that name, or opens the one that exists, and brings
// it up. A name that contains %d gets the first number that is free, and the
// empty name is "tap%d"; [Link.Name] says what became of it.
//
// Without CAP_NET_ADMIN the error is a *link.CapabilityError around EPERM.
// EBUSY: another program has the device open.
func Open(name string, cfg Config) (*Link, error) {
	if name == "" {
		name = "tap%d"
	}
	if cfg.Address.IsZero() {
		cfg.Address = randomAddress()
	}
	d, name, err := openDevice(name)
	if err != nil {
		return nil, refusal(name, err)
	}
	host, err := configure(name, &cfg)
	if err == nil && cfg.Persistent {
		err = os.NewSyscallError("ioctl TUNSETPERSIST", unix.IoctlSetInt(d, unix.TUNSETPERSIST, 1))
	}
	if err != nil {
		unix.Close(d)
		return nil, refusal(name, err)
	}
	l, err := fd.New(fd.Config{
		Descriptors: []int{d}, // closed by New if it fails
		MTU:         cfg.MTU,
		Address:     cfg.Address,
		QueueLength: cfg.QueueLength,
	})
	if err != nil {
		return nil, refusal(name, err)
	}
	return &Link{Link: l, name: name, host: host}, nil
}

// Name returns the device's name, as it is known to the kernel.
func (l *Link) Name() string { return l.name }

// HostAddress returns the hardware address of the kernel's end.
func (l *Link) HostAddress() wire.MAC { return l.host }

// SetMTU sets the MTU of the device and of the Link, in bytes. It is to be called
// in the network namespace in which the device lives.
func (l *Link) SetMTU(mtu int) error {
	before := l.MTU()
	if err := l.Link.SetMTU(mtu); err != nil {
		return err
	}
	if err := setDeviceMTU(l.name, mtu); err != nil {
		l.Link.SetMTU(before)
		return refusal(l.name, err)
	}
	return nil
}

// openDevice returns a descriptor of the device and its name.
func openDevice(name string) (int, string, error) {
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
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(d, unix.TUNSETIFF, req); err != nil {
		unix.Close(d)
		err = os.NewSyscallError("ioctl TUNSETIFF", err)
		switch {
		case errors.Is(err, unix.EBUSY):
			err = fmt.Errorf("%w: another program has it open", err)
		case errors.Is(err, unix.EINVAL):
			err = fmt.Errorf("%w: not a name for a device, or that of one which is no TAP device", err)
		}
		return -1, name, err
	}
	return d, req.Name(), nil
}

// configure makes the device what cfg says, changing nothing that is right, and
// fills in what cfg left to the device. It returns the kernel's hardware address.
func configure(name string, cfg *Config) (wire.MAC, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return wire.MAC{}, err
	}
	var host wire.MAC
	copy(host[:], dev.HardwareAddr)
	if host == cfg.Address {
		return host, fmt.Errorf("%v is the hardware address of the kernel's end; ours must be another", host)
	}
	if cfg.MTU == 0 {
		cfg.MTU = dev.MTU
	}
	if cfg.MTU != dev.MTU {
		if err := setDeviceMTU(name, cfg.MTU); err != nil {
			return host, err
		}
	}
	for _, a := range cfg.HostAddresses {
		if err := addAddress(dev.Index, a); err != nil {
			return host, fmt.Errorf("adding the address %v: %w", a, err)
		}
	}
	if dev.Flags&net.FlagUp == 0 {
		err = setUp(name)
	}
	return host, err
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

func setDeviceMTU(name string, mtu int) error {
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

// randomAddress returns a unicast address, locally administered.
func randomAddress() wire.MAC {
	var m wire.MAC
	rand.Read(m[:])
	m[0] = m[0]&^1 | 2
	return m
}

// refusal is the error of opening the device, with what can be done about it.
func refusal(name string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		program, e := os.Executable()
		if e != nil {
			program = os.Args[0]
		}
		// A device is made under a name without %d, and is found by it alone.
		made, then := strings.ReplaceAll(name, "%d", "0"), ""
		if made != name {
			then = fmt.Sprintf(", and open it by that name (on a command line: --on tap,name=%s,...)", made)
		}
		return &link.CapabilityError{
			Op: "tap: " + name, Capability: "CAP_NET_ADMIN", Err: err,
			Grant: fmt.Sprintf("sudo setcap cap_net_admin+ep %s; or make the device for yourself: "+
				"sudo ip tuntap add dev %s mode tap user $USER && sudo ip link set %s up%s", program, made, made, then),
		}
	}
	return fmt.Errorf("tap: %s: %w", name, err)
}
