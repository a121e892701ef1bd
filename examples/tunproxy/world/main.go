// World is something to reach through tunproxy: an HTTP and a DNS server on one
// address, the latter over UDP by castnet and over TCP.
//
//	world 192.0.2.1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/miekg/dns"

	"github.com/castnet-go/castnet"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("world: ")
	flag.Parse()
	address, err := netip.ParseAddr(flag.Arg(0))
	if err != nil || flag.NArg() != 1 {
		log.Fatal("the address to listen on is expected, such as 192.0.2.1")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Stdout, address); err != nil {
		log.Fatal(err)
	}
}

// serve answers on an address until ctx is done.
func serve(ctx context.Context, out io.Writer, address netip.Addr) error {
	web, err := net.Listen("tcp", netip.AddrPortFrom(address, 80).String())
	if err != nil {
		return err
	}
	defer web.Close()
	names, err := castnet.Listen("udp", netip.AddrPortFrom(address, 53).String())
	if err != nil {
		return err
	}
	defer names.Close()
	streams, err := net.Listen("tcp", netip.AddrPortFrom(address, 53).String())
	if err != nil {
		return err
	}
	defer streams.Close()

	zone := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(answer(q, address)) })
	datagrams := &dns.Server{PacketConn: names, Handler: zone}
	connections := &dns.Server{Listener: streams, Handler: zone}
	pages := &http.Server{Handler: http.HandlerFunc(page)}
	failed := make(chan error, 3)
	go func() { failed <- pages.Serve(web) }()
	go func() { failed <- datagrams.ActivateAndServe() }()
	go func() { failed <- connections.ActivateAndServe() }()
	fmt.Fprintf(out, "HTTP and DNS on %v\n", address)
	select {
	case <-ctx.Done():
		return errors.Join(pages.Close(), datagrams.Shutdown(), connections.Shutdown())
	case err := <-failed:
		return err
	}
}

// page says what it was asked for, and how much came with it.
func page(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s with %d bytes\n", r.Method, r.URL.Path, n)
}

// answer knows one name, castnet.example.
func answer(q *dns.Msg, address netip.Addr) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	if len(q.Question) != 1 || q.Question[0].Name != "castnet.example." {
		m.Rcode = dns.RcodeNameError
		return m
	}
	if q.Question[0].Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   address.AsSlice(),
		}}
	}
	return m
}
