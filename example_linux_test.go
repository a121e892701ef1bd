package castnet_test

import (
	"fmt"
	"log"

	"github.com/castnet-go/castnet"
)

// A program on the operating system's network, as with package net.
func Example() {
	server, err := castnet.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := castnet.Dial("udp", server.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	fmt.Fprint(client, "hello")
	buf := make([]byte, 1500)
	n, peer, err := server.ReadFromUDPAddrPort(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf[:n])
	server.WriteToUDPAddrPort([]byte("hello yourself"), peer)
	n, err = client.Read(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf[:n])
	// Output:
	// hello
	// hello yourself
}

// Batches carry more than a payload: here the datagram's time to live and its
// ECN bits.
func ExampleConn_ReadBatch() {
	server, err := castnet.Listen("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.SetReport(castnet.FieldTTL | castnet.FieldTOS); err != nil {
		log.Fatal(err)
	}
	client, err := castnet.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	n, err := client.WriteBatch([]castnet.Message{
		{Buf: []byte("one")},
		{Buf: []byte("two"), Set: castnet.FieldTTL | castnet.FieldTOS, TTL: 9, TOS: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent", n)

	ms := make([]castnet.Message, 16)
	for i := range ms {
		ms[i].Buf = make([]byte, 1500)
	}
	for got := 0; got < 2; {
		n, err := server.ReadBatch(ms)
		if err != nil {
			log.Fatal(err)
		}
		for _, m := range ms[:n] {
			fmt.Printf("%s: TTL %d, ECN %d\n", m.Buf, m.TTL, m.TOS&3)
		}
		got += n
	}
	// Output:
	// sent 2
	// one: TTL 64, ECN 0
	// two: TTL 9, ECN 1
}
