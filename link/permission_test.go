package link_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/link"
)

func TestCapabilityError(t *testing.T) {
	var err error = &link.CapabilityError{
		Op: "tap: cn0", Capability: "CAP_NET_ADMIN", Grant: "sudo setcap cap_net_admin+ep ./castnet", Err: syscall.EPERM,
	}
	want := "tap: cn0: operation not permitted: this needs CAP_NET_ADMIN; to grant it: sudo setcap cap_net_admin+ep ./castnet"
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !errors.Is(err, syscall.EPERM) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v is neither EPERM nor os.ErrPermission", err)
	}
}
