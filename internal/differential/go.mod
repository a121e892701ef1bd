module github.com/castnet-go/castnet/internal/differential

go 1.25.0

require github.com/castnet-go/castnet v0.0.0

require (
	golang.org/x/sys v0.46.0 // indirect
	pgregory.net/rapid v1.3.0
)

replace github.com/castnet-go/castnet => ../..
