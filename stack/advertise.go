package stack

type advertiser struct{ at instant }

func (x *interface6) advertise(now instant) {}

func (x *interface6) advertiseSoon() {}

func (x *interface6) solicited() bool { return x.advertiser != nil }
