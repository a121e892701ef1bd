package wire

// The kinds of failure of a parser, for errors.Is.
var (
	// ErrTruncated says that the bytes end before the packet does.
	ErrTruncated error = kind("truncated")

	// ErrMalformed says that a field has a value the protocol forbids.
	ErrMalformed error = kind("malformed")

	// ErrUnsupported says that the packet may be well formed but that this package does not
	// read its format: another version, hardware type or length.
	ErrUnsupported error = kind("unsupported")
)

// kind is a kind of failure. It is a constant, not a variable, so that the errors made of it lie
// in the program's data and no code has to make them when it starts.
type kind string

func (k kind) Error() string { return string(k) }

// A ParseError is the error of every parser in this package. Parsers return values made
// when the program starts: returning one allocates nothing, and equal failures are equal
// with ==.
type ParseError struct {
	Header  string // the header that failed, such as "ipv4"
	Problem string // what is wrong with it, such as "total length exceeds the bytes received"
	Kind    error  // ErrTruncated, ErrMalformed or ErrUnsupported
}

// Error returns "wire: " with the header and the problem.
func (e ParseError) Error() string { return "wire: " + e.Header + ": " + e.Problem }

// Unwrap returns the kind of failure.
func (e ParseError) Unwrap() error { return e.Kind }

func truncated(header, problem string) error { return ParseError{header, problem, kind("truncated")} }

func malformed(header, problem string) error { return ParseError{header, problem, kind("malformed")} }

func unsupported(header, problem string) error {
	return ParseError{header, problem, kind("unsupported")}
}
