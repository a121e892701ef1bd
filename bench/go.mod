module github.com/castnet-go/castnet/bench

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/soypat/lneto v0.2.0
	golang.org/x/sys v0.46.0
	gvisor.dev/gvisor v0.0.0-20250911055229-61a46406f068
)

require (
	github.com/google/btree v1.1.2 // indirect
	golang.org/x/time v0.7.0 // indirect
)

replace github.com/castnet-go/castnet => ..
