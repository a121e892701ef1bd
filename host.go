package castnet

import "github.com/castnet-go/castnet/host"

// Host returns the operating system's network, on which the zero [Config]
// listens and dials.
func Host() Network { return host.Network{} }
