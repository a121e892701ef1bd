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

// The language's, which the engine lacks.
function complete() {
  const { stackHere } = internalBinding('errors');
  Error.stackTraceLimit ??= 10;
  Error.captureStackTrace ??= (object) => {
    let title = '';
    try {
      title = Error.prototype.toString.call(object);
    } catch {
      title = 'Error';
    }
    const lines = stackHere(1);
    Object.defineProperty(object, 'stack', {
      value: lines === '' ? title : `${title}\n${lines}`, writable: true, configurable: true, enumerable: false,
    });
  };
  for (const name of ['asyncIterator', 'dispose', 'asyncDispose']) {
    if (Symbol[name] === undefined) {
      Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`), writable: false, enumerable: false, configurable: false });
    }
  }
  // Without a view of the garbage collector, a weak reference holds for good.
  if (typeof WeakRef === 'undefined') {
    define('WeakRef', class WeakRef {
      #target;
      constructor(target) { this.#target = target; }
      deref() { return this.#target; }
    });
  }
  if (typeof FinalizationRegistry === 'undefined') {
    define('FinalizationRegistry', class FinalizationRegistry {
      register() {}
      unregister() { return false; }
    });
  }
  // Of Float16Array there is the view of bytes; its elements are numbers' bits.
  if (typeof Float16Array === 'undefined') {
    define('Float16Array', class Float16Array extends Uint16Array {
      get [Symbol.toStringTag]() { return 'Float16Array'; }
    });
  }
  Promise.withResolvers ??= function withResolvers() {
    let resolve;
    let reject;
    const promise = new this((a, b) => {
      resolve = a;
      reject = b;
    });
    return { promise, resolve, reject };
  };
  Array.fromAsync ??= async function fromAsync(items, map) {
    const out = [];
    const it = items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator]();
    for (let step = await it.next(); !step.done; step = await it.next()) {
      const value = await step.value;
      out.push(map === undefined ? value : await map(value, out.length));
    }
    return out;
  };
}

function start(filename) {
  complete();
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
  lazily('internal/abort', 'AbortController', 'AbortSignal', 'DOMException', 'Event', 'EventTarget');
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
