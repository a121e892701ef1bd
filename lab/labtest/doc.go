// Package labtest makes small labs for tests: two hosts on a bad link, or a LAN.
//
//	func TestMyProtocol(t *testing.T) {
//		l, client, server := labtest.Pair(t)
//		server.Go("server", func(ctx context.Context) error { return serve(ctx, server) })
//		client.Go("client", func(ctx context.Context) error { return ask(ctx, client, "h2:7") })
//		if err := l.Run(time.Minute); err != nil {
//			t.Fatal(err)
//		}
//	}
//
// # How it works
//
// Every run has a seed of its own, so that many runs try many fates. A test that
// fails says its seed, and the environment variable CASTNET_LAB_SEED repeats it:
// the same datagrams are lost again.
//
//	CASTNET_LAB_SEED=1234 go test -run TestMyProtocol
//
// When the test ends, the lab's ledger is checked and the lab closed, which ends
// its tasks; errors of either fail the test.
//
// # Limitations
//
// The labs are in virtual time, and their hosts in one subnet, 10.0.0.0/16.
package labtest
