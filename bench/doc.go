// Command bench measures what one datagram costs on castnet's networks and on
// those of its peers, side by side in one process.
//
//	go run ./bench                            # everything, in about three minutes
//	go run ./bench --rows lab,amounts         # some of the groups
//	go run ./bench --rows stack,lneto --rounds 15
//	go run ./bench --gate                     # exit status 1 if a goal is missed
//	go test ./bench -run - -bench 'Stack$/64/single' -cpuprofile cpu.prof
//
// One operation is: send a datagram, deliver it, read it, on one goroutine. A
// row is one way of doing that; each is measured with payloads of 64, 512 and
// 1400 bytes, one datagram at a time and in batches of 32. Other groups of rows
// are about many sockets, two cores, event loops beside libuv and Node, TUN devices
// and labs, and some are amounts: memory and sizes of programs.
//
// # How it works
//
// Machines drift: a figure of today cannot be held against one of yesterday, or
// of another minute. So the rows take turns, a slice of a few milliseconds
// each, for a number of rounds, and nothing runs in parallel. What is printed
// is the median over the rounds; a ratio is the median of the ratios taken
// within each round.
//
// Before each slice the payloads are drawn anew and the garbage of the row
// before is collected; after it what was read is compared with what was sent,
// so that no row can win by delivering nothing. Allocations are those of the
// whole process during the slice.
//
// # Limitations
//
// What waits for another goroutine is at the mercy of the scheduler and of who
// else uses the machine: ping-pong and two cores are to be measured where nobody
// else works. The notes below the tables say which rows do less work than
// others, and README.md says why.
package main
