package script

import (
	"testing"

	"github.com/castnet-go/castnet"
)

// TestRegularExpressionsByProperty holds classes by property to what Node has found
// with them.
func TestRegularExpressionsByProperty(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const text = 'Grüße, Ελλάδα! 日本 ٣4 a_b 👋';
		for (const re of [/\p{L}+/gu, /\p{Lu}/gu, /\p{Script=Greek}+/u, /[\p{L}_]+/gu, /[^\p{L}\s]/gu, /\P{L}+/u, /\p{Nd}/gu, /\p{Uppercase_Letter}\p{Lowercase}+/u,
			/[\P{L}]/u, /\p{sc=Han}{2}/u, /\p{White_Space}/u, /\p{gc=Punctuation}/u, /\p{Alphabetic}+/iu]) console.log(text.match(re)?.join('|'));
		console.log(/^\p{L}$/u.test('𝒳'), /\p{L}/.test('p{L}'), /\\p{L}/u.test('x'));`)
	const want = "Grüße|Ελλάδα|日本|a|b\nG|Ε\nΕλλάδα\nGrüße|Ελλάδα|日本|a_b\n,|!|٣|4|_|👋\n, \n٣|4\nGrüße\n,\n日本\n \n,\nGrüße\ntrue true false\n"
	if r.status != 0 || r.out != want || r.err != "" {
		t.Errorf("got %d\n%s%s\nwant\n%s", r.status, r.out, r.err, want)
	}
}
