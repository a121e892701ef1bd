package drop

import (
	"sync"
	"sync/atomic"

	"github.com/castnet-go/castnet/internal/text"
)

// MaxRegistered is how many reasons a program may add with Register. Reasons are
// counted in arrays, so there is room for a few and not for many.
const MaxRegistered = 32

// registered are the names that programs have given to reasons of their own, in
// the order of Register.
var registered struct {
	mu    sync.Mutex
	count atomic.Int32
	names [MaxRegistered]string // of those below count, never changed
}

// Register returns the reason of that name, which is made if there is none yet:
// it is for a hook that drops packets for a reason of the program's own. It is
// counted, traced and written as JSON by its name, as the others are.
//
//	var overQuota = drop.Register("OverQuota")
//
// A name has 1 to 32 letters and digits and begins with an upper-case letter.
// Reasons belong to the process and are never given up; Register panics for a
// name that is none, that a reason of castnet's has, or that is one too many, as
// what registers names in variables can do nothing about it. The number of a
// Reason may differ from one run to the next; its name does not.
func Register(name string) Reason {
	if err := checkName(name); err != nil {
		panic(err)
	}
	registered.mu.Lock()
	defer registered.mu.Unlock()
	n := registered.count.Load()
	for i, known := range registered.names[:n] {
		if known == name {
			return reasonCount + Reason(i)
		}
	}
	if n == MaxRegistered {
		panic(text.Errorf("drop: no room for the reason %q: %d are registered, which is the most", name, MaxRegistered))
	}
	registered.names[n] = name
	registered.count.Store(n + 1)
	return reasonCount + Reason(n)
}

// checkName returns why a reason cannot be registered under a name, or nil.
func checkName(name string) error {
	if len(name) == 0 || len(name) > 32 || name[0] < 'A' || name[0] > 'Z' {
		return text.Errorf("drop: %q cannot be a reason's name: it needs 1 to 32 letters and digits, the first in upper case", name)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return text.Errorf("drop: %q cannot be a reason's name: %q is neither a letter nor a digit", name, c)
		}
	}
	for _, known := range names {
		if known == name {
			return text.Errorf("drop: %q is the name of one of castnet's own reasons", name)
		}
	}
	return nil
}

// own returns the names of registered reasons.
func own() []string { return registered.names[:registered.count.Load()] }

// Reasons returns every reason that has a name, None excepted: castnet's own and
// those registered so far.
func Reasons() []Reason {
	list := make([]Reason, 0, Count)
	for r := None + 1; int(r) < int(reasonCount)+len(own()); r++ {
		list = append(list, r)
	}
	return list
}
