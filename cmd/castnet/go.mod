module github.com/castnet-go/castnet/cmd/castnet

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/castnet-go/castnet/script v0.0.0
	github.com/rogpeppe/go-internal v1.14.1
	github.com/spf13/cobra v1.10.2
)

require (
	github.com/dlclark/regexp2/v2 v2.5.2 // indirect
	github.com/dop251/goja v0.0.0-20260917113740-793a2a65c13b // indirect
	github.com/evanw/esbuild v0.28.2 // indirect
	github.com/go-sourcemap/sourcemap v2.1.3+incompatible // indirect
	github.com/google/pprof v0.0.0-20230207041349-798e818bf904 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
	golang.org/x/text v0.3.8 // indirect
)

require (
	github.com/castnet-go/castnet/lab/scenario v0.0.0
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)

replace github.com/castnet-go/castnet => ../..

replace github.com/castnet-go/castnet/lab/scenario => ../../lab/scenario

replace github.com/castnet-go/castnet/script => ../../script
