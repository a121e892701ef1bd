package scenario_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/castnet-go/castnet/lab/scenario"
)

func ExampleLoad() {
	_, err := scenario.Load(strings.NewReader(`
switches: [lan]
hosts:
  alice: {segment: lan, adress: 10.0.0.1/24}
  bob: {segment: wlan, address: 10.0.0.2}
`), "lan.yaml")
	fmt.Println(err)
	// Output:
	// lan.yaml:4: hosts.alice: there is no key "adress"; did you mean "address"?
	// lan.yaml:5: hosts.bob.address: 10.0.0.2 needs the length of its subnet, as in 10.0.0.2/24
}

func ExampleFile_Run() {
	f, err := scenario.Load(strings.NewReader(`
duration: 2s
switches: [lan]
hosts:
  alice:
    segment: lan
    address: 10.0.0.1/24
    programs:
      - send: {to: "bob:7", from: ":5000", count: 4, every: 100ms}
      - send: {to: "bob:8", connect: true}
  bob:
    segment: lan
    address: 10.0.0.2/24
    faults: {delay: 20ms}
    programs:
      - echo: {port: 7}
timeline:
  - {at: 250ms, host: bob, link: down}
expect:
  - {host: alice, replies: 4}
`), "lan.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := f.Run(context.Background(), scenario.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Fingerprint = "" // another one with each change of the stack
	r.WriteTo(os.Stdout)
	fmt.Println("passed:", r.Passed())
	// Output:
	// lan.yaml: 2 hosts and 1 segment, seed 0, 2s of virtual time
	//
	// alice  10.0.0.1/24
	//   send   sent 4 datagrams to bob:7, got 3 replies
	//          0.040000  from 10.0.0.2:7  "hello 1"
	//          0.120000  from 10.0.0.2:7  "hello 2"
	//          0.220000  from 10.0.0.2:7  "hello 3"
	//   send2  sent 1 datagram to bob:8
	//          0.040000  ECONNREFUSED: connection refused
	//
	// bob  10.0.0.2/24
	//   echo  on :7 answered 3 of 3 datagrams
	//         3 from 10.0.0.1:5000
	//
	// timeline
	//   0.250000  bob eth0: link down
	//
	// packets          SENT  RECEIVED  READ  DROPPED
	// alice               6         5     3
	// bob                 5         5     3  1 NoPort
	//   eth0 from lan                        1 LinkDown
	// all drops                              1 LinkDown, 1 NoPort
	//
	// lan.yaml:20: expected that alice gets 4 replies; it was 3
	// 0 of 1 expectation met; every packet is accounted for
	// passed: false
}
