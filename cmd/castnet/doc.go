// Castnet is the everyday UDP tools, on the operating system's network or on one
// of castnet's own, and whole networks in one process.
//
//	castnet echo 127.0.0.1:7007                         answer each datagram with itself
//	castnet ping 127.0.0.1:7007                         ask an echo server, and time it
//	castnet listen :7000                                show what arrives
//	castnet send 127.0.0.1:7000 hello                   send a datagram
//	castnet echo --on tap,addr=10.0.0.2/24,host=10.0.0.1/24   the same on a stack of our own
//	castnet mcast join 239.1.2.3                        hear a group; mcast watch: who has joined
//	castnet lab run lan.yaml                            run a network in this process
//	castnet run server.js client.js                     run Node's dgram scripts, each a host of a network
//
// # Conventions
//
// With --json every command prints one object a line, whose "event" says what it
// is, and whose names stay. The exit status is 0 if the command did what it was
// for, 1 if it failed, received nothing, or an expectation of a lab was not met,
// and 2 if it was called wrongly. Colour is used on a terminal only, and not if
// NO_COLOR is set. Ctrl-C ends a command with its summary; a second one kills it.
package main
