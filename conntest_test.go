package castnet_test

import (
	"context"
	"net"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
)

// makePair returns a conntest.MakePair of two Conns that listen on addresses
// of one network each.
func makePair(on1, on2 castnet.Network, network, address1, address2 string, more func(*conntest.Pair)) (*conntest.Pair, error) {
	ctx := context.Background()
	cfg1, cfg2 := castnet.Config{On: on1}, castnet.Config{On: on2}
	c1, err := cfg1.Listen(ctx, network, address1)
	if err != nil {
		return nil, err
	}
	c2, err := cfg2.Listen(ctx, network, address2)
	if err != nil {
		c1.Close()
		return nil, err
	}
	p := &conntest.Pair{
		C1: c1, C2: c2,
		Dial: func(a net.Addr) (net.Conn, error) {
			return cfg2.Dial(ctx, network, a.String())
		},
	}
	if more != nil {
		more(p)
	}
	return p, nil
}
