package script

import (
	"testing"

	"github.com/castnet-go/castnet"
)

// TestTimersCountFromTheirCall has timers started after the engine has been busy: what
// they wait begins when they are started, not when the loop last looked at the clock.
func TestTimersCountFromTheirCall(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const busy = () => { for (const t = Date.now(); Date.now() - t < 30;); };
		const after = (what) => { const t = Date.now(); setTimeout(() => console.log(what, Date.now() - t >= 9), 10); };
		busy();
		after('main');
		setImmediate(() => { busy(); after('immediate'); });
		setTimeout(() => { busy(); after('timer'); }, 50);
	`)
	if want := "main true\nimmediate true\ntimer true\n"; r.out != want || r.status != 0 {
		t.Errorf("got status %d, %q, want %q", r.status, r.out, want)
	}
}

// TestRefresh begins a timer anew that was called, as one that was not, but none that
// was cleared.
func TestRefresh(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		let n = 0;
		const t = setTimeout(() => {
			console.log('called', ++n);
			if (n < 3) setImmediate(() => t.refresh());
		}, 2);
		t.refresh();
		const cleared = setTimeout(() => console.log('cleared'), 2);
		clearTimeout(cleared);
		cleared.refresh();
		const unref = setTimeout(() => { setImmediate(() => { unref.refresh(); }); }, 2).unref();
		setTimeout(() => console.log('end'), 1000); // long after the others, on a busy machine too
	`)
	if want := "called 1\ncalled 2\ncalled 3\nend\n"; r.out != want || r.status != 0 {
		t.Errorf("got status %d, %q, want %q", r.status, r.out, want)
	}
}
