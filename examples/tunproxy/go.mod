module github.com/castnet-go/castnet/examples/tunproxy

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/miekg/dns v1.1.72
	gvisor.dev/gvisor v0.0.0-20250911055229-61a46406f068
)

require (
	github.com/google/btree v1.1.2 // indirect
	golang.org/x/mod v0.31.0 // indirect
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/sync v0.19.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/time v0.7.0 // indirect
	golang.org/x/tools v0.40.0 // indirect
)

replace github.com/castnet-go/castnet => ../..
