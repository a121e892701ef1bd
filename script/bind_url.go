package script

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/dop251/goja"
)

// bindURL reads URLs, and checks addresses, which lib/net.js asks for too.
func (r *Runtime) bindURL(o *goja.Object) {
	// parse returns (protocol, username, password, hostname, port, pathname,
	// search, hash), or nothing if it is no URL.
	o.Set("parse", func(call goja.FunctionCall) goja.Value {
		text := strings.TrimSpace(call.Argument(0).String())
		u, err := url.Parse(text)
		if base := call.Argument(1); err == nil && !u.IsAbs() && !goja.IsUndefined(base) {
			var b *url.URL
			if b, err = url.Parse(base.String()); err == nil {
				u = b.ResolveReference(u)
			}
		}
		if err != nil || u.Scheme == "" {
			return goja.Undefined()
		}
		if u.Opaque == "" {
			u = u.ResolveReference(u) // without dots
		}
		path := u.EscapedPath()
		if u.Opaque != "" {
			path = u.Opaque
		}
		if path == "" && special[u.Scheme] != "" {
			path = "/"
		}
		port := u.Port()
		if port == special[u.Scheme] {
			port = ""
		}
		user, password := "", ""
		if u.User != nil {
			user = u.User.Username()
			password, _ = u.User.Password()
		}
		host := strings.ToLower(u.Hostname())
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		search, hash := "", ""
		if u.RawQuery != "" {
			search = "?" + u.RawQuery
		}
		if u.Fragment != "" {
			hash = "#" + u.EscapedFragment()
		}
		return r.vm.NewArray(u.Scheme+":", user, password, host, port, path, search, hash)
	})
	o.Set("isIP", func(text string) int {
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return 0
		case a.Is4():
			return 4
		}
		return 6
	})
	// canonical returns an address in its usual form, without a zone; "" if it is
	// none.
	o.Set("canonical", func(text string) string {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return ""
		}
		return a.WithZone("").String()
	})
	o.Set("compare", func(a, b string) int {
		x, y := netip.MustParseAddr(a), netip.MustParseAddr(b)
		return x.Compare(y)
	})
	o.Set("contains", func(network string, bits int, address string) bool {
		n, err := netip.ParseAddr(network)
		if err != nil {
			return false
		}
		p, err := n.Prefix(bits)
		a, e := netip.ParseAddr(address)
		return err == nil && e == nil && p.Contains(a)
	})
	o.Set("unmap", func(text string) string {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return text
		}
		return a.Unmap().String()
	})
}

// special are the schemes whose URLs have a host, with their usual ports.
var special = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "file": "none"}
