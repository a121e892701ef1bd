//go:build !amd64 || purego

package wire

const (
	useVector       = false
	vectorThreshold = 0
)

func sumVector(b []byte) uint16 { return sumGeneric(b) }
