package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

const (
	mdnsPort = 5353
	mdnsTTL  = 255 // of packets (RFC 6762, 11)
)

// avahi's configuration: one family, on one device, and no rights to give up.
const avahiConfiguration = `[server]
host-name=kernel
use-ipv4=%v
use-ipv6=%v
allow-interfaces=cn0
[publish]
publish-workstation=no
publish-hinfo=no
publish-aaaa-on-ipv4=no
publish-a-on-ipv6=no
`

// avahiService is what avahi tells of.
const avahiService = `<?xml version="1.0"?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
<name>printed by the kernel</name>
<service><type>_theirs._udp</type><port>7401</port><txt-record>paper=blue</txt-record></service>
</service-group>
`

// startAvahi starts avahi's daemon in the world, with a bus of its own, and returns
// where that is. In a mount namespace it finds its services where it looks for them, and
// not the machine's.
func (w *world) startAvahi() (bus string) {
	w.t.Helper()
	v6 := w.family.ours.Is6()
	for name, text := range map[string]string{
		"avahi.conf":     fmt.Sprintf(avahiConfiguration, map[bool]string{true: "no", false: "yes"}[v6], map[bool]string{true: "yes", false: "no"}[v6]),
		"kernel.service": avahiService,
	} {
		must(w.t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644))
	}
	bus = "unix:path=" + filepath.Join(w.dir, "bus")
	// The bus goes when the daemon does, with the group of processes.
	script := `set -e
mount -t tmpfs none /run
mkdir /run/avahi-daemon
mount -t tmpfs none /etc/avahi/services
cp "$1/kernel.service" /etc/avahi/services
dbus-daemon --session --nofork --nopidfile --address="$2" &
until [ -S "$1/bus" ]; do sleep 0.01; done
DBUS_SYSTEM_BUS_ADDRESS="$2" exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$1/avahi.conf"`
	start(w.t, w.ns, nil, "unshare", "-m", "sh", "-c", script, "sh", w.dir, bus)
	return bus
}

// An mdnsStation takes part in multicast DNS on a Conn: it answers for a zone and keeps
// what others say. The reading, the messages and the zone are the libraries'.
type mdnsStation struct {
	conn  *castnet.Conn
	group netip.AddrPort
	zone  mdns.Zone
	heard chan *dns.Msg // answers
}

// ServeDNS is called for every message.
func (s *mdnsStation) ServeDNS(rw dns.ResponseWriter, m *dns.Msg) {
	if m.Response {
		select {
		case s.heard <- m:
		default:
		}
		return
	}
	r := new(dns.Msg)
	r.Response, r.Authoritative, r.Compress = true, true, true
	for _, q := range m.Question {
		q.Qclass &^= 1 << 15 // that the answer may be sent to one alone
		r.Answer = append(r.Answer, s.zone.Records(q)...)
	}
	if len(r.Answer) > 0 {
		s.send(r)
	}
}

func (s *mdnsStation) send(m *dns.Msg) error {
	b, err := m.Pack()
	if err == nil {
		_, err = s.conn.WriteToUDPAddrPort(b, s.group)
	}
	return err
}

// ask asks everybody, again and again, until there are records that satisfy.
func (s *mdnsStation) ask(t *testing.T, name string, kind uint16, satisfied func([]dns.RR) bool) {
	t.Helper()
	var records []dns.RR
	q := new(dns.Msg)
	q.Question = []dns.Question{{Name: name, Qtype: kind, Qclass: dns.ClassINET}}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		must(t, s.send(q))
		for again := time.After(time.Second); again != nil; {
			select {
			case m := <-s.heard:
				if records = append(append(records, m.Answer...), m.Extra...); satisfied(records) {
					return
				}
			case <-again:
				again = nil
			}
		}
	}
	t.Fatalf("asked for %s, heard %v", name, records)
}

// avahi on the kernel and libraries of Go's on our stack find each other's services.
func TestMulticastDNS(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f, "avahi-daemon", "avahi-browse", "avahi-resolve", "dbus-daemon")
		w.services = true
		w.openDirect()
		bus := w.startAvahi()

		zone, err := mdns.NewMDNSService("heard by castnet", "_ours._udp", "local.", "ours.local.", 7400, []net.IP{f.ours.AsSlice()}, []string{"colour=green"})
		must(t, err)
		s := &mdnsStation{conn: w.listen(mdnsPort), group: netip.AddrPortFrom(f.mdns, mdnsPort), zone: zone, heard: make(chan *dns.Msg, 100)}
		s.conn.SetDeadline(time.Time{}) // the server has deadlines of its own
		must(t, s.conn.JoinGroup("cn0", f.mdns))
		must(t, s.conn.SetMulticastInterface("cn0"))
		must(t, s.conn.SetMulticastTTL(mdnsTTL))
		must(t, s.conn.SetMulticastLoopback(false))
		everything := func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		server := &dns.Server{PacketConn: s.conn, Handler: s, MsgAcceptFunc: everything, UDPSize: 9000}
		ready, ended := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(ready) }
		go func() { ended <- server.ActivateAndServe() }()
		<-ready
		defer func() {
			if err := server.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Errorf("the server ended: %v", err)
			}
		}()

		const theirs = `printed\ by\ the\ kernel._theirs._udp.local.`
		has := func(want ...string) func([]dns.RR) bool {
			return func(list []dns.RR) bool {
				var texts []string
				for _, rr := range list {
					texts = append(texts, strings.TrimPrefix(rr.String(), rr.Header().String()))
				}
				return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(texts, s) })
			}
		}
		s.ask(t, "_theirs._udp.local.", dns.TypePTR, has(theirs, "0 0 7401 kernel.local.", `"paper=blue"`))
		s.ask(t, "kernel.local.", f.record, has(f.kernel[0].String()))

		found := start(t, w.ns, nil, "env", "DBUS_SYSTEM_BUS_ADDRESS="+bus, "avahi-browse", "-r", "-p", "-t", "_ours._udp").end(0)
		want := fmt.Sprintf("=;cn0;%s;heard\\032by\\032castnet;_ours._udp;local;ours.local;%v;7400;\"colour=green\"\n", f.name, f.ours)
		if !strings.Contains(found, want) {
			t.Errorf("avahi found %q, want %q", found, want)
		}
		if got, want := start(t, w.ns, nil, "env", "DBUS_SYSTEM_BUS_ADDRESS="+bus, "avahi-resolve", "-"+f.name[3:], "-n", "ours.local").end(0), fmt.Sprintf("ours.local\t%v\n", f.ours); got != want {
			t.Errorf("avahi resolved %q, want %q", got, want)
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}
