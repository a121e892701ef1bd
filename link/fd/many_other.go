//go:build unix && !linux

package fd

import "github.com/castnet-go/castnet/packet"

// many is what takes several frames in one system call, which Linux has.
type many struct{}

func newMany(*queue) *many                                { return nil }
func (*many) disarm()                                     {}
func (*many) close() int                                  { return 0 }
func (*queue) writeMany([]*packet.Buffer, int) (sent int) { return 0 }
