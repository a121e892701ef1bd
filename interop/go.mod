module github.com/castnet-go/castnet/interop

go 1.25.0

require github.com/castnet-go/castnet v0.0.0

replace github.com/castnet-go/castnet => ..
