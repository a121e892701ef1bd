module github.com/castnet-go/castnet/cmd/castnet

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	github.com/rogpeppe/go-internal v1.14.1
	github.com/spf13/cobra v1.10.2
)

require go.yaml.in/yaml/v4 v4.0.0 // indirect

require (
	github.com/castnet-go/castnet/lab/scenario v0.0.0
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)

replace github.com/castnet-go/castnet => ../..

replace github.com/castnet-go/castnet/lab/scenario => ../../lab/scenario
