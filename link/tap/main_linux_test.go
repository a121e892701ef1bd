package tap_test

import (
	"testing"

	"github.com/castnet-go/castnet/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
