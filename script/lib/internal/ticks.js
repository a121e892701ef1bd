'use strict';
// process.nextTick and queueMicrotask. Ticks are called when the callback under way
// has returned, and before any promise goes on. Go calls into scripts by functions
// that end with runTicks, for the engine runs promises' jobs as soon as it has
// nothing else on its stack.

const { flags: buffer, uncaught } = internalBinding('process');
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

// runTicks calls what is queued, and what that queues. If one throws, Go calls
// runTicks again for the rest.
function runTicks() {
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
  queue = [];
  head = 0;
  flags[0] = 0;
}

// entry makes a function that Go can call: what it queues is done before it returns.
function entry(f) {
  return (...args) => {
    const result = f(...args);
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
  entry, flags, hooks, nextTick, queueMicrotask, runTicks, setExiting(f) { exiting = f; },
};
