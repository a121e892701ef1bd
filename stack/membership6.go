package stack

// join makes the stack itself a member of a group on the interface, as often as it is
// called: of all nodes, of the solicited nodes of its addresses.
func (s *groupSet) join(group address) {
	s.change(group, nil, &sources{})
	s.program()
}

// leave takes one membership of the stack's own back.
func (s *groupSet) leave(group address) {
	s.change(group, &sources{}, nil)
	s.program()
}
