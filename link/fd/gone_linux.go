package fd

import (
	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
)

// deviceGone recognises how Linux says that a TAP device has been deleted.
func deviceGone(err error) error {
	if err == unix.EBADFD {
		return link.ErrDown
	}
	return err
}
