// Package text puts messages together: [Sprintf] and [Errorf] are those of package
// fmt for what castnet's own messages are made of.
//
//	return text.Errorf("stack: interface %q has the address %v already", name, addr)
//
// # How it works
//
// Package fmt looks into values by reflection, and so brings a tenth of a megabyte
// and more into every program. The floors that a program with nothing but the
// user-space stack is made of do without it, and have these instead, which look at
// an argument's type and know only a few.
//
// The verbs are %v, %s and %d, which print an argument as it is; %q, which quotes a
// string or a rune as Go does; and %w, once, which wraps an error. Arguments are
// strings, integers, runes, errors, and what has a String method. A test holds
// every call to that.
//
// # Limitations
//
// No widths, no flags, no %%, nothing else.
package text
