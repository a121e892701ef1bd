'use strict';
// When the callbacks of sends are called.

const { inContext, tick } = require('internal/ticks');
const { setImmediate } = require('timers');
const { turns } = internalBinding('timers');

// How many callbacks of sends a socket has in a turn of the loop, before others are.
const turn = 32;

// complete has a callback called on the next tick. Who sends in every callback of a send
// would let nobody else have a turn, and in virtual time nothing would ever end: when a
// turn of them has been called in this turn of the loop, the next wait for its end, and
// so do those after them.
function complete(state, callback, err, size) {
  if (state.later === undefined && (state.called < turn || state.turn !== turns())) {
    tick(called, state, callback, err, size);
    return;
  }
  if (state.later === undefined) {
    state.later = [];
    setImmediate(callLater, state);
  }
  state.later.push(inContext(() => called(state, callback, err, size)));
}

function called(state, callback, err, size) {
  const now = turns();
  if (state.turn !== now) {
    state.turn = now;
    state.called = 0;
  }
  state.called++;
  if (err) callback(err);
  else callback(null, size);
}

function callLater(state) {
  for (const f of state.later.splice(0, turn)) process.nextTick(f);
  if (state.later.length === 0) state.later = undefined;
  else setImmediate(callLater, state);
}

module.exports = { complete };
