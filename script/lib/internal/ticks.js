'use strict';
// process.nextTick and queueMicrotask. Ticks are called when the callback under way
// has returned, and before any promise goes on. Go calls into scripts by functions
// that end with runTicks, for the engine runs promises' jobs as soon as it has
// nothing else on its stack.

const { flags: buffer, guard, uncaught } = internalBinding('process');
const { validateFunction } = require('internal/validators');

const flags = new Uint8Array(buffer);
// The queue is a function and its arguments, one pair after the other, or a function, five
// and five arguments. Its places are used again: those that are there cost least.
let queue = [];
let head = 0;
let tail = 0;
const most = 8192; // places that are kept
let exiting = () => false;

function nextTick(callback, ...args) {
  validateFunction(callback, 'callback');
  if (exiting()) return;
  queue[tail] = hooks.bind === undefined ? callback : hooks.bind(callback);
  queue[tail + 1] = args;
  tail += 2;
  flags[0] = 1;
}

// tick is nextTick for those in lib, of a function that is always called with five
// arguments: a list of them would have to be made and taken apart.
function tick(callback, a, b, c, d, e) {
  if (exiting()) return;
  const at = tail;
  queue[at] = hooks.bind === undefined ? callback : hooks.bind(callback);
  queue[at + 1] = five;
  queue[at + 2] = a;
  queue[at + 3] = b;
  queue[at + 4] = c;
  queue[at + 5] = d;
  queue[at + 6] = e;
  tail = at + 7;
  flags[0] = 1;
}
const five = Symbol('five arguments');

// runTicks calls what is queued, and what that queues. One that throws does not keep
// the rest from it, unless it is the script's end.
function runTicks() {
  do callTicks(); while (head < tail);
  if (queue.length > most) queue = [];
  head = tail = 0;
  flags[0] = 0;
}

const callTicks = guard(() => {
  while (head < tail) {
    const at = head;
    const callback = queue[at];
    const args = queue[at + 1];
    queue[at] = queue[at + 1] = undefined;
    if (args === five) {
      const a = queue[at + 2];
      const b = queue[at + 3];
      const c = queue[at + 4];
      const d = queue[at + 5];
      const e = queue[at + 6];
      queue[at + 2] = queue[at + 3] = queue[at + 4] = queue[at + 5] = queue[at + 6] = undefined;
      taken(at + 7);
      callback(a, b, c, d, e);
      continue;
    }
    taken(at + 2);
    switch (args.length) {
      case 0: callback(); break;
      case 1: callback(args[0]); break;
      case 2: callback(args[0], args[1]); break;
      case 3: callback(args[0], args[1], args[2]); break;
      default: callback(...args);
    }
  }
});

// taken says that the queue now begins at a place. What never runs empty must not grow.
function taken(at) {
  head = at;
  if (head === tail) {
    head = tail = 0;
  } else if (head > 1024 && head * 2 > tail) {
    queue = queue.slice(head, tail);
    tail -= head;
    head = 0;
  }
}

// entry makes a function that Go can call: what it queues is done before it returns.
// What it throws is told by guard while the engine still has something on its stack:
// promises go on after that, and not at all if it is the script's end.
function entry(f) {
  const guarded = guard(f);
  return (...args) => {
    const result = guarded(...args);
    if (flags[0] !== 0) runTicks();
    return result;
  };
}

const resolved = Promise.resolve();
function queueMicrotask(callback) {
  validateFunction(callback, 'callback');
  if (hooks.bind !== undefined) callback = hooks.bind(callback);
  resolved.then(() => {
    try {
      callback();
    } catch (err) {
      uncaught(err);
    }
  });
}

// hooks.bind, if async_hooks has set it, makes a function run in the context in which
// it was queued.
const hooks = { bind: undefined };

// inContext makes a function run in the present context, if anybody wants to know.
function inContext(f) { return hooks.bind === undefined ? f : hooks.bind(f); }

module.exports = {
  entry, flags, guard, hooks, inContext, nextTick, queueMicrotask, runTicks, setExiting(f) { exiting = f; }, tick,
};
