package script

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/socket"
)

// bindDNS looks names up where the network does.
func (r *Runtime) bindDNS(o *goja.Object) {
	// lookup calls done with (errno, addresses), later.
	o.Set("lookup", func(call goja.FunctionCall) goja.Value {
		host, fam := call.Argument(0).String(), call.Argument(1).ToInteger()
		done, _ := goja.AssertFunction(call.Argument(2))
		network := map[int64]string{4: "ip4", 6: "ip6"}[fam]
		if network == "" {
			network = "ip"
		}
		var addrs []netip.Addr
		var err error
		r.loop.Work(r.stopped, func(ctx context.Context) {
			addrs, err = r.lookup(ctx, network, host)
		}, func() {
			list := make([]any, 0, len(addrs))
			for _, a := range addrs {
				a = a.Unmap()
				if network == "ip4" && !a.Is4() || network == "ip6" && a.Is4() {
					continue
				}
				list = append(list, a.String())
			}
			errno := resolveError(err)
			if errno == 0 && len(list) == 0 {
				errno = eaiNoName
			}
			r.call(done, r.vm.ToValue(errno), r.vm.NewArray(list...))
		})
		return goja.Undefined()
	})
}

func (r *Runtime) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	resolver, ok := r.cfg.On.(socket.Resolver)
	if !ok {
		return nil, &net.DNSError{Err: "this network resolves no names", Name: host, IsNotFound: true}
	}
	return resolver.LookupNetIP(ctx, network, host)
}

// The numbers of getaddrinfo's errors, which are libuv's.
const (
	eaiAgain    = -3001
	eaiCanceled = -3003
	eaiFail     = -3004
	eaiNoName   = -3008
)

func resolveError(err error) int {
	var dns *net.DNSError
	var unknown *socket.NameError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &unknown):
		return eaiNoName
	case errors.Is(err, context.Canceled):
		return eaiCanceled
	case errors.As(err, &dns) && dns.IsNotFound:
		return eaiNoName
	case errors.As(err, &dns) && (dns.IsTemporary || dns.IsTimeout):
		return eaiAgain
	}
	return eaiFail
}
