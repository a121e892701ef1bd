package transcript

import "testing"

func TestQuotes(t *testing.T) {
	blocks := quotes("```go\none()\n\ttwo()\n```\n```sh\nthree\n```\n\n```go\nfour()\n```\n")
	if len(blocks) != 2 || blocks[1] != "four()" {
		t.Fatalf("blocks: %q", blocks)
	}
	program := flush("func f() {\n\tone()\n\t\ttwo()\n}\n")
	if !stands(blocks[0], []string{"other", program}) {
		t.Error("a block that stands in a program was not found")
	}
	if stands(blocks[1], []string{"other", program}) {
		t.Error("a block that stands nowhere was found")
	}
}
