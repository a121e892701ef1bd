package sniff

import (
	"time"

	"github.com/castnet-go/castnet/wire"
)

// Config says where to look. The zero Config is good.
type Config struct {
	// Interfaces are their names. If empty, all that are up and carry multicast, but
	// for loopback, by which no message of IGMP or MLD is ever sent.
	Interfaces []string
}

// A Packet is an IP packet.
type Packet struct {
	Time      time.Time
	Interface string
	Outgoing  bool     // it was sent from here
	MAC       wire.MAC // who sent it; zero if the interface has no such addresses
	Data      []byte   // from the IP header on; valid until the next Read
}
