module github.com/castnet-go/castnet/bench

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/castnet-go/castnet/script v0.0.0
	github.com/soypat/lneto v0.2.0
	golang.org/x/sys v0.46.0
	gvisor.dev/gvisor v0.0.0-20250911055229-61a46406f068
)

require (
	github.com/dlclark/regexp2/v2 v2.5.2 // indirect
	github.com/dop251/goja v0.0.0-20260917113740-793a2a65c13b // indirect
	github.com/evanw/esbuild v0.28.2 // indirect
	github.com/go-sourcemap/sourcemap v2.1.3+incompatible // indirect
	github.com/google/btree v1.1.2 // indirect
	github.com/google/pprof v0.0.0-20230207041349-798e818bf904 // indirect
	golang.org/x/text v0.19.0 // indirect
	golang.org/x/time v0.7.0 // indirect
)

replace github.com/castnet-go/castnet => ..

replace github.com/castnet-go/castnet/script => ../script
