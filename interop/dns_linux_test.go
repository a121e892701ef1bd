package interop

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/castnet-go/castnet/drop"
)

// A program that knows nothing of castnet serves DNS over a Conn, and dig asks it.
func TestDNSServer(t *testing.T) {
	w := newWorld(t, "dig")
	w.services = true
	w.open("")
	conn := w.listen(53)
	conn.SetDeadline(time.Time{}) // the server has deadlines of its own
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(answer)}
	ready, ended := make(chan struct{}), make(chan error, 1)
	server.NotifyStartedFunc = func() { close(ready) }
	go func() { ended <- server.ActivateAndServe() }()
	<-ready
	defer func() {
		if err := server.Shutdown(); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the server ended: %v", err)
		}
	}()

	dig := func(args ...string) string {
		t.Helper()
		return start(t, w.ns, nil, "dig", append([]string{"@10.0.0.2", "+tries=1", "+timeout=10", "+norecurse", "+bufsize=1472"}, args...)...).end(0)
	}
	for _, q := range []struct {
		args []string
		want string
	}{
		{[]string{"+short", "host.example.", "A"}, "192.0.2.1\n192.0.2.2\n"},
		{[]string{"+short", "host.example.", "TXT"}, "\"hello\" \"over our own stack\"\n"},
		{[]string{"+short", "+noedns", "host.example.", "A"}, "192.0.2.1\n192.0.2.2\n"},
		{[]string{"+short", "-x", "192.0.2.1"}, "host.example.\n"},
	} {
		if got := dig(q.args...); got != q.want {
			t.Errorf("dig %s: %q, want %q", strings.Join(q.args, " "), got, q.want)
		}
	}
	if out := dig("nobody.example.", "A"); !strings.Contains(out, "status: NXDOMAIN") {
		t.Errorf("nobody is there:\n%s", out)
	}

	// An answer as long as a datagram can be that is not fragmented.
	out := dig("large.example.", "TXT")
	if !regexp.MustCompile(`MSG SIZE +rcvd: 1472`).MatchString(out) || strings.Contains(out, "WARNING") {
		t.Errorf("the large answer is not whole:\n%s", out)
	}
	got := ""
	for _, s := range regexp.MustCompile(`"([a-z]+)"`).FindAllStringSubmatch(out, -1) {
		got += s[1]
	}
	if want := letters(len(got)); len(got) < 1300 || got != want {
		t.Errorf("the large answer has the text %q, want %q", got, want)
	}

	// Two hundred questions of one process.
	var names strings.Builder
	for i := range 200 {
		fmt.Fprintf(&names, "n%d.example.\n", i)
	}
	p := start(t, w.ns, strings.NewReader(names.String()), "dig", "@10.0.0.2", "+tries=1", "+timeout=10", "+short", "-f", "-")
	answers := strings.Fields(p.end(0))
	for i, a := range answers {
		if want := fmt.Sprintf("192.0.2.%d", i%200); a != want {
			t.Fatalf("answer %d is %s, want %s", i, a, want)
		}
	}
	if len(answers) != 200 {
		t.Errorf("%d answers, want 200", len(answers))
	}
	w.wantDrops(map[drop.Reason]uint64{})
}

// answer is the handler of a small zone.
func answer(rw dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	name, typ := q.Question[0].Name, q.Question[0].Qtype
	header := dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: 60}
	a := func(last int) {
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, byte(last)).To4()})
	}
	if o := q.IsEdns0(); o != nil {
		m.SetEdns0(1472, false)
	}
	var n int
	switch _, err := fmt.Sscanf(name, "n%d.example.", &n); {
	case name == "host.example." && typ == dns.TypeA:
		a(1)
		a(2)
	case name == "host.example." && typ == dns.TypeTXT:
		m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: []string{"hello", "over our own stack"}})
	case name == "large.example." && typ == dns.TypeTXT:
		fill(m, header, 1472)
	case name == "1.2.0.192.in-addr.arpa." && typ == dns.TypePTR:
		m.Answer = append(m.Answer, &dns.PTR{Hdr: header, Ptr: "host.example."})
	case err == nil && typ == dns.TypeA:
		a(n)
	default:
		m.Rcode = dns.RcodeNameError
	}
	rw.WriteMsg(m)
}

// fill adds a TXT record that makes the message as long as said.
func fill(m *dns.Msg, header dns.RR_Header, size int) {
	rr := &dns.TXT{Hdr: header}
	m.Answer = append(m.Answer, rr)
	text, rest := letters(size), size-m.Len()
	for rest > 0 {
		n := min(rest-1, 255) // behind the byte that says how long it is
		rr.Txt = append(rr.Txt, text[:n])
		text, rest = text[n:], rest-n-1
	}
}

// letters returns n letters that are not the same anywhere near.
func letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + (i+i/26+i/300)%26)
	}
	return string(b)
}
