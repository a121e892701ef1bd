'use strict';
// What happens before the script: the globals are made, and Go is given the
// functions by which it calls in.

const binding = internalBinding('process');
const ticks = require('internal/ticks');

// define makes a global that does not show when globals are listed.
function define(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

// lazily makes one that loads its module when it is first used.
function lazily(module, ...names) {
  for (const name of names) {
    Object.defineProperty(globalThis, name, {
      configurable: true, enumerable: false,
      get() {
        const value = require(module)[name];
        define(name, value);
        return value;
      },
      set(value) { define(name, value); },
    });
  }
}

function start(filename) {
  require('internal/language').complete(define);
  define('global', globalThis);
  define('process', require('process'));
  const { Buffer, atob, btoa } = require('buffer');
  define('Buffer', Buffer);
  // Those that Node lists among the globals.
  const listed = { global: globalThis, queueMicrotask: ticks.queueMicrotask, atob, btoa };
  const timers = require('timers');
  for (const name of ['clearImmediate', 'setImmediate', 'clearInterval', 'clearTimeout', 'setInterval', 'setTimeout']) {
    listed[name] = timers[name];
  }
  listed.structuredClone = require('internal/clone').structuredClone;
  listed.fetch = function fetch() {
    return Promise.reject(new (require('internal/errors').codes.ERR_FEATURE_UNAVAILABLE)('fetch: HTTP'));
  };
  for (const name of Object.keys(listed)) {
    Object.defineProperty(globalThis, name, { value: listed[name], writable: true, enumerable: true, configurable: true });
  }
  lazily('console', 'console');
  Object.defineProperty(globalThis, 'console', { configurable: true, writable: true, enumerable: false, value: require('console') });
  lazily('internal/abort', 'AbortController', 'AbortSignal', 'CustomEvent', 'DOMException', 'Event', 'EventTarget');
  lazily('internal/encoding', 'TextDecoder', 'TextEncoder');
  lazily('url', 'URL', 'URLSearchParams');
  lazily('perf_hooks', 'performance');
  lazily('crypto', 'crypto');

  const proc = require('internal/process');
  const { entry } = ticks;
  return {
    runMain: entry((file) => require('module').runMain(file)),
    runTicks: ticks.runTicks,
    fatal: proc.fatal,
    rejections: entry(proc.rejections),
    rejectionHandled: entry(proc.rejectionHandled),
    beforeExit: entry(proc.beforeExit),
    exit: proc.atExit,
    signal: entry(proc.signal),
  };
}

module.exports = { start };
