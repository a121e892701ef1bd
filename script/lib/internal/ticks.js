'use strict';
// process.nextTick and queueMicrotask. Ticks are called when the callback under way
// has returned, and before any promise goes on. Go calls into scripts by functions
// that end with runTicks, for the engine runs promises' jobs as soon as it has
// nothing else on its stack.

const { flags: buffer, guard, uncaught } = internalBinding('process');
const { validateFunction } = require('internal/validators');

const flags = new Uint8Array(buffer);
let queue = [];
let head = 0;
let exiting = () => false;

function nextTick(callback, ...args) {
  validateFunction(callback, 'callback');
  if (exiting()) return;
  queue.push(hooks.bind === undefined ? callback : hooks.bind(callback), args);
  flags[0] = 1;
}

// runTicks calls what is queued, and what that queues. One that throws does not keep
// the rest from it, unless it is the script's end.
function runTicks() {
  do callTicks(); while (head < queue.length);
  queue = [];
  head = 0;
  flags[0] = 0;
}

const callTicks = guard(() => {
  while (head < queue.length) {
    const callback = queue[head];
    const args = queue[head + 1];
    queue[head] = queue[head + 1] = undefined;
    head += 2;
    if (args.length === 0) callback();
    else callback(...args);
    if (head > 1024 && head * 2 > queue.length) {
      queue = queue.slice(head);
      head = 0;
    }
  }
});

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

module.exports = {
  entry, flags, guard, hooks, nextTick, queueMicrotask, runTicks, setExiting(f) { exiting = f; },
};
