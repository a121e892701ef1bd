module github.com/castnet-go/castnet/interop

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/hashicorp/mdns v1.0.7
	github.com/miekg/dns v1.1.72
	golang.org/x/sys v0.46.0
)

require (
	golang.org/x/mod v0.31.0 // indirect
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/sync v0.19.0 // indirect
	golang.org/x/tools v0.40.0 // indirect
)

replace github.com/castnet-go/castnet => ..
