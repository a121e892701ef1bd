// Package scenario runs labs that are written down in YAML files: hosts, the
// network between them, programs on them, what goes wrong when, and what is
// expected to come of it.
//
//	f, err := scenario.Load(file, "lan.yaml")
//	if err != nil {
//		return err // lan.yaml:3: hosts.alice: there is no key "adress"; did you mean "address"?
//	}
//	r, err := f.Run(ctx, scenario.Options{})
//	r.WriteTo(os.Stdout) // what each host heard, what was dropped and why
//	if !r.Passed() { ... }
//
// # The file
//
//	seed: 1                  # of all that is random; 0 if left out
//	duration: 10s            # how long the lab runs; 10s if left out
//	switches: [lan, office]  # segments for any number of hosts; or {lan: {snooping: {}}}
//	cables: []               # and for two
//
//	hosts:
//	  alice:
//	    segment: lan
//	    address: 10.0.1.1/24               # or a list, of IPv4 and IPv6
//	    gateway: 10.0.1.254                # the default route
//	    mtu: 1500
//	    faults: {delay: 5ms, loss: 10%}    # of what alice sends
//	    receive: {rate: 10mbit}            # of what she gets
//	    routes:
//	      - {to: 10.0.9.0/24, via: 10.0.1.253}
//	    programs:
//	      - send: {to: "bob:7", payload: "hello {n}", count: 3, every: 100ms}
//	  bob:
//	    segment: lan
//	    address: 10.0.1.2/24
//	    programs:
//	      - echo: {port: 7}
//
//	routers:                 # hosts that forward; with several interfaces:
//	  r1:
//	    interfaces:
//	      - {segment: lan, address: 10.0.1.254/24}    # eth0
//	      - {segment: office, address: 10.0.2.254/24} # eth1
//
//	timeline:
//	  - {at: 2s, host: bob, link: down}
//	  - {at: 3s, host: bob, link: up, faults: {loss: 50%}}
//	  - {at: 4s, partition: [[alice], [bob]]}
//	  - {at: 5s, heal: true}
//
//	expect:
//	  - {host: bob, heard: 3, from: alice}
//	  - {host: alice, program: send, replies: {at_least: 1}, errors: {ECONNREFUSED: 0}}
//	  - {host: bob, drops: {NoPort: 0}}
//
// docs/lab.schema.json describes every key, for editors and for people, and
// examples/labs holds files to begin with.
//
// IPv6 needs no addresses in the file. An interface with "ipv6: true" makes itself a
// link-local address, and, of the prefixes that a router advertises, others; a router
// advertises the subnets of its own addresses unless it says otherwise:
//
//	hosts:
//	  alice: {segment: lan, ipv6: true}
//	routers:
//	  r1:
//	    segment: lan
//	    address: [10.0.1.254/24, "2001:db8:1::fe/64"]
//	    advertise: {}    # or {prefixes: ["2001:db8:1::/64"], mtu: 1400, lifetime: 30m, …}
//
// A program that sends to alice by her name finds the address that she has by then; with
// "family: ipv6" it is that, of a host that has both.
//
// Faults have tc-netem's words and mean what [lab.Faults] says. A probability is
// a number from 0 to 1 or a percentage, a rate is in bits a second or has a unit
// (kbit, mbit, gbit), and times have Go's units, as in 1m30s.
//
// # Programs
//
// echo answers each datagram with itself, from the address that was asked.
// listen reads datagrams; with a pause after each and a small buffer it is the
// program that is too slow. send sends count datagrams, waits for answers, and
// notes the errors that it gets; only if it says "connect: true" does the network
// tell it of a port that nobody listens on (ECONNREFUSED). In its payload, {n}
// stands for the number of the datagram. script runs a program in JavaScript, written
// for Node's dgram, if whoever runs the lab can ([Options.RunScript]): what it prints
// is noted line by line, and if its exit status is not 0, the lab has not passed.
//
// All of them can join groups. Without an interface a group is joined on that of
// the route to it, of which there has to be one, as on Linux:
//
//	programs:
//	  - listen: {port: 5000, join: 239.1.1.1}
//	  - listen: {port: 5000, join: [{group: 232.1.1.1, interface: eth1, sources: [10.0.1.1]}]}
//	  - send: {to: "239.1.1.1:5000", interface: eth1, ttl: 4}
//
// If programs use groups, the result says at which filter on the way each copy
// ended, the switch, the card, the list of groups or the sockets, and switches that
// snoop print their tables.
//
// A program is called by its kind, the second of a kind on one host send2 and so
// on, unless it has a name.
//
// # How it works
//
// Load decodes strictly, builds the lab once to see that it can be built, and
// reports up to ten mistakes with their lines. Run builds it again and runs each
// program as a task of its host, on a castnet.Conn like any other program's.
// Expectations are counted while the lab runs, so nothing has to be kept of
// datagrams that are only counted.
//
// # Limitations
//
// A host's IPv6 addresses can be used at once; stack: {dad_transmits: 1} has it ask for up
// to two seconds before whether somebody else has them.
//
// A file has at most 1 MiB, 1000 hosts and 4096 programs. Of each program, a Result
// holds the first 100 datagrams and errors; [Options.Event] is told of all. At
// filters, 4096 groups on interfaces are told apart.
package scenario
