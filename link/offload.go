package link

import (
	"syscall"

	"github.com/castnet-go/castnet/internal/text"
)

// Offload says how much of the work on UDP packets the driver of a device leaves
// to the device or, if that is made of software, to nobody. A kernel that knows
// less does less; the Link's Capabilities say what came of it.
type Offload uint8

// How much is left to the device.
const (
	OffloadAll       Offload = iota // checksums and segmentation, so that trains pass whole
	OffloadChecksums                // checksums only
	OffloadNone                     // nothing: bare frames, complete
)

// OffloadVariable is an environment variable that, unless it is empty or 0, makes
// each Offload OffloadNone: for a machine on which it is suspected of doing harm.
const OffloadVariable = "CASTNET_NO_OFFLOAD"

// Allowed returns o, or OffloadNone if OffloadVariable is set.
func (o Offload) Allowed() Offload {
	if v, _ := syscall.Getenv(OffloadVariable); v != "" && v != "0" {
		return OffloadNone
	}
	return o
}

var offloadNames = [...]string{OffloadAll: "all", OffloadChecksums: "checksums", OffloadNone: "none"}

// String returns "all", "checksums" or "none".
func (o Offload) String() string {
	if int(o) < len(offloadNames) {
		return offloadNames[o]
	}
	return text.Sprintf("Offload(%d)", uint8(o))
}

// ParseOffload reads what String returns.
func ParseOffload(s string) (Offload, error) {
	for o, name := range offloadNames {
		if s == name {
			return Offload(o), nil
		}
	}
	return 0, text.Errorf("%q is none of all, checksums and none", s)
}
