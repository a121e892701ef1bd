package script

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strings"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/wire"
)

// bindOS is about the machine, and about the network's interfaces.
func (r *Runtime) bindOS(o *goja.Object) {
	o.Set("hostname", func() string { return r.cfg.Name })
	o.Set("cpus", runtime.NumCPU())
	o.Set("tmpdir", strings.TrimSuffix(os.TempDir(), "/"))
	o.Set("user", func() goja.Value {
		u := r.vm.NewObject()
		u.Set("uid", os.Getuid())
		u.Set("gid", os.Getgid())
		u.Set("username", "")
		u.Set("homedir", "/")
		u.Set("shell", goja.Null())
		if me, err := user.Current(); err == nil {
			u.Set("username", me.Username)
			u.Set("homedir", me.HomeDir)
		}
		return u
	})
	o.Set("version", func() []string {
		release := readLine("/proc/sys/kernel/osrelease")
		version := readLine("/proc/sys/kernel/version")
		return []string{release, version}
	})
	o.Set("memory", func() []float64 {
		total, free := 4e9, 2e9
		if b, err := os.ReadFile("/proc/meminfo"); err == nil {
			for line := range strings.Lines(string(b)) {
				var kb float64
				if n, _ := fmt.Sscanf(line, "MemTotal: %f", &kb); n == 1 {
					total = kb * 1024
				}
				if n, _ := fmt.Sscanf(line, "MemAvailable: %f", &kb); n == 1 {
					free = kb * 1024
				}
			}
		}
		return []float64{total, free}
	})
	// interfaces are the network's, as rows of (name, address, netmask, family,
	// mac, internal, prefix length, scope id).
	o.Set("interfaces", func() goja.Value {
		if r.cfg.On == nil {
			return r.vm.NewArray()
		}
		list, err := r.cfg.On.Interfaces()
		if err != nil {
			return r.vm.ToValue(uvError(err))
		}
		var rows []any
		for _, i := range list {
			if !i.Up {
				continue
			}
			for _, p := range i.Addresses {
				a := p.Addr()
				mask := net.CIDRMask(p.Bits(), a.BitLen())
				scope := 0
				if a.IsLinkLocalUnicast() && a.Is6() {
					scope = i.Index
				}
				rows = append(rows, r.vm.NewArray(i.Name, a.WithZone("").String(), net.IP(mask).String(), family(a),
					wire.MAC(i.HardwareAddr).String(), i.Loopback, p.Bits(), scope))
			}
		}
		return r.vm.NewArray(rows...)
	})
}

func readLine(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
