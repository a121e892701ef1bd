package script

import (
	"crypto/hmac"
	"crypto/md5"
	crand "crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"

	"github.com/dop251/goja"
)

// hashes are those that protocols over UDP make use of.
var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha224": sha256.New224, "sha384": sha512.New384, "sha512": sha512.New,
}

// bindCrypto is randomness and hashes.
func (r *Runtime) bindCrypto(o *goja.Object) {
	o.Set("random", func(call goja.FunctionCall) goja.Value {
		b := bytesOf(call.Argument(0))
		if r.cfg.Rand == nil {
			crand.Read(b)
			return goja.Undefined()
		}
		// In a lab what is random is the seed's.
		for i := range b {
			b[i] = byte(r.cfg.Rand.Uint32())
		}
		return goja.Undefined()
	})
	o.Set("hashes", func() []string {
		return []string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
	})
	o.Set("hash", func(call goja.FunctionCall) goja.Value {
		f := hashes[call.Argument(0).String()]
		h := f()
		if key := call.Argument(2); !goja.IsUndefined(key) {
			h = hmac.New(f, bytesOf(key))
		}
		h.Write(bytesOf(call.Argument(1)))
		return r.vm.ToValue(r.vm.NewArrayBuffer(h.Sum(nil)))
	})
	o.Set("equal", func(call goja.FunctionCall) goja.Value {
		return r.vm.ToValue(subtle.ConstantTimeCompare(bytesOf(call.Argument(0)), bytesOf(call.Argument(1))) == 1)
	})
}
