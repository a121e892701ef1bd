package socket

// A Lender is a Socket whose datagrams can be read where they lie, in the
// network's own memory: the copy that TryRecv makes is the half of what it costs
// to read a datagram of full size, and who only looks at it, or sends it on, can
// do without. The sockets of package stack, and so of a lab's hosts, are Lenders.
// The operating system's are not: it copies.
type Lender interface {
	// TryLend is TryRecv without the copy. What Buf holds is not looked at: it
	// is set to the datagram itself, which is whole, and so Len is len(Buf).
	// The bytes may be read until the Loan is returned, and never be written
	// to, as other sockets may be reading them. With [FieldSegmentSize]
	// reported trains are lent whole, each in one Message, and single
	// datagrams are not joined.
	//
	// What was lent is charged to no receive buffer any more: the memory is the
	// program's, which bounds it by what it borrows.
	//
	// EAGAIN: there is no datagram. The Loan is nil if none was lent.
	TryLend(ms []Message) (int, Loan, error)
}

// A Loan is the datagrams of one TryLend.
type Loan interface {
	// Return gives the memory back, once. The Loan, and the Bufs of its
	// Messages, are not to be used thereafter. Any goroutine may call it, also
	// when the socket is closed.
	Return()
}
