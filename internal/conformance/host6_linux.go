package conformance

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// host6 is the kernel's, by iproute2.
type host6 struct {
	m  *Machine
	ns namespace
}

// prepare6 makes the namespace's interfaces to come speak IPv6 as a stack's do: with
// the hardware address in the link-local one, and testing addresses only if asked to.
func (ns namespace) prepare6(tb testing.TB, needs Needs) {
	tests := "0"
	if needs&Tests6 != 0 {
		tests = "1"
	}
	for name, value := range map[string]string{
		"disable_ipv6": "0", "dad_transmits": tests, "addr_gen_mode": "0", "accept_ra": "1", "autoconf": "1",
		"router_solicitations": "0", "use_tempaddr": "0", "forwarding": "0", "accept_ra_min_hop_limit": "1",
	} {
		ns.Sysctl(tb, "ipv6/conf/default/"+name, value)
	}
	ns.Sysctl(tb, "ipv6/conf/all/disable_ipv6", "0")
	// With dad_transmits 0 alone an address is tentative all the same, for a second.
	ns.Sysctl(tb, "ipv6/conf/all/accept_dad", tests)
	ns.Sysctl(tb, "ipv6/conf/default/accept_dad", tests)
	if needs&Router != 0 {
		ns.Sysctl(tb, "ipv6/conf/all/forwarding", "1")
	}
}

// settle6 makes the times of eth0's neighbours those of RFC 4861.
func (ns namespace) settle6(tb testing.TB) {
	tb.Helper()
	for name, value := range map[string]string{"mcast_solicit": "3", "ucast_solicit": "3", "retrans_time_ms": "1000"} {
		ns.Sysctl(tb, "ipv6/neigh/eth0/"+name, value)
	}
}

// both6 makes eth1 speak IPv6 as well, and adds routes.
func (ns namespace) both6(tb testing.TB) {
	tb.Helper()
	batch := "addr add " + second6 + "/64 dev eth1\n"
	for _, r := range routes6 {
		batch += r.command() + "\n"
	}
	ns.ip(tb, batch)
	for end := time.Now().Add(hostPatience); ns.Run(tb, "ip", "-6", "addr", "show", "tentative") != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("the addresses do not become usable")
		}
	}
}

// show runs ip -6 and reads what it prints.
func (h host6) show(tb testing.TB, into any, args ...string) {
	tb.Helper()
	var out []byte
	var err error
	h.ns.Do(func() { out, err = exec.Command("ip", append([]string{"-j", "-6"}, args...)...).Output() })
	if err == nil && len(strings.TrimSpace(string(out))) > 0 {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		tb.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

func (h host6) neighbor(tb testing.TB, addr string) string {
	var list []map[string]any
	h.show(tb, &list, "neigh", "show", "dev", "eth0")
	for _, n := range list {
		if n["dst"] != addr {
			continue
		}
		text := ""
		if states, ok := n["state"].([]any); ok && len(states) > 0 {
			text = strings.ToLower(fmt.Sprint(states[0]))
		}
		if mac, ok := n["lladdr"]; ok && text != "failed" {
			text += fmt.Sprint(" ", mac)
		}
		if _, ok := n["router"]; ok {
			text += " router"
		}
		return text
	}
	return ""
}

func (h host6) setNeighbor(tb testing.TB, addr string, mac wire.MAC, state string) {
	if state == "delay" { // in which one that is put there by hand does not stay
		defer h.m.use(tb, addr)
		state = "stale"
	}
	h.ns.ip(tb, fmt.Sprintf("neigh replace %s lladdr %v dev eth0 nud %s\n", addr, mac, state))
}

func (h host6) add(tb testing.TB, prefix string) {
	h.ns.ip(tb, fmt.Sprintf("addr add %s dev eth0\n", prefix))
}

// ready waits until the kernel has done what it does later with addresses that are not
// tested.
func (h host6) ready(tb testing.TB) {
	tb.Helper()
	for end := time.Now().Add(hostPatience); ; time.Sleep(10 * time.Millisecond) {
		if list := strings.Join(h.addresses(tb), ", "); strings.Contains(list, "preferred") && !strings.Contains(list, "tentative") {
			return
		} else if time.Now().After(end) {
			tb.Fatalf("the addresses do not become usable: %s", list)
		}
	}
}

func (h host6) addresses(tb testing.TB) (list []string) {
	var interfaces []struct {
		Info []map[string]any `json:"addr_info"`
	}
	h.show(tb, &interfaces, "addr", "show", "dev", "eth0")
	for _, i := range interfaces {
		for _, a := range i.Info {
			state := "preferred"
			for _, s := range []struct{ flag, state string }{
				{"deprecated", "deprecated"}, {"tentative", "tentative"}, {"dadfailed", "duplicate"},
			} {
				if on, ok := a[s.flag].(bool); ok && on {
					state = s.state
				}
			}
			seconds := func(name string) time.Duration {
				n, _ := a[name].(float64)
				return time.Duration(n) * time.Second
			}
			list = append(list, addressLine(fmt.Sprint(a["local"], "/", a["prefixlen"]), state,
				seconds("preferred_life_time"), seconds("valid_life_time")))
		}
	}
	sort.Strings(list)
	return list
}

func (h host6) routers(tb testing.TB) (list []string) {
	var routes []map[string]any
	h.show(tb, &routes, "route", "show", "default", "dev", "eth0")
	for _, r := range routes {
		if g, ok := r["gateway"]; ok {
			list = append(list, fmt.Sprint(g))
		}
	}
	sort.Strings(list)
	return list
}
