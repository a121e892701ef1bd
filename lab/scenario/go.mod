module github.com/castnet-go/castnet/lab/scenario

go 1.25.0

require (
	github.com/castnet-go/castnet v0.0.0
	go.yaml.in/yaml/v4 v4.0.0
)

require golang.org/x/sys v0.46.0 // indirect

replace github.com/castnet-go/castnet => ../..
