'use strict';
// Timers and immediates on the loop's.

const binding = internalBinding('timers');
const { entry, hooks } = require('internal/ticks');
const { inspect } = require('internal/inspect');
const { validateFunction } = require('internal/validators');
const { codes: { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } } = require('internal/errors');

const longest = 2 ** 31 - 1;
const known = new Map(); // by number
let count = 0;

class Timeout {
  #timer;
  #referenced = true;
  #id = ++count;
  constructor(callback, after, args, repeat) {
    after *= 1;
    if (!(after >= 1 && after <= longest)) {
      if (after > longest) {
        process.emitWarning(`${after} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1.`, 'TimeoutOverflowWarning');
      } else if (after < 0) {
        process.emitWarning(`${after} is a negative number.\nTimeout duration was set to 1.`, 'TimeoutNegativeWarning');
      } else if (Number.isNaN(after)) {
        process.emitWarning(`${after} is not a number.\nTimeout duration was set to 1.`, 'TimeoutNaNWarning');
      }
      after = 1;
    }
    this._idleTimeout = Math.trunc(after);
    this._onTimeout = hooks.bind === undefined ? callback : hooks.bind(callback);
    this._timerArgs = args;
    this._repeat = repeat ? this._idleTimeout : null;
    this._destroyed = false;
    this.#begin();
  }
  #begin() {
    this.#timer = binding.timer(entry(() => this.#fire()));
    if (!this.#referenced) this.#timer.ref(false);
    this.#timer.start(this._idleTimeout, this._repeat ?? 0);
  }
  #fire() {
    const again = this._repeat !== null;
    const timer = this.#timer;
    this.#refreshed = false;
    try {
      if (this._timerArgs === undefined) this._onTimeout();
      else this._onTimeout(...this._timerArgs);
    } finally {
      // refresh() in the callback has begun anew.
      if (!again && this.#timer === timer && !this.#refreshed) this.#end();
    }
  }
  #refreshed = false;
  #end() {
    if (this._destroyed) return;
    this._destroyed = true;
    this.#timer.end();
    known.delete(this.#id);
  }
  ref() {
    this.#referenced = true;
    if (!this._destroyed) this.#timer.ref(true);
    return this;
  }
  unref() {
    this.#referenced = false;
    if (!this._destroyed) this.#timer.ref(false);
    return this;
  }
  hasRef() { return this.#referenced; }
  // refresh begins anew, also after the callback was called, but not after clearTimeout.
  refresh() {
    if (this._idleTimeout < 0) return this;
    if (this._destroyed) {
      this._destroyed = false;
      this.#begin();
      return this;
    }
    this.#refreshed = true;
    this.#timer.start(this._idleTimeout, this._repeat ?? 0);
    return this;
  }
  close() {
    this._idleTimeout = -1;
    this.#end();
    return this;
  }
  [Symbol.dispose]() { this.close(); }
  [Symbol.toPrimitive]() {
    if (!this._destroyed) known.set(this.#id, this);
    return this.#id;
  }
  [inspect.custom](depth, options) {
    return inspect({ ...this }, { ...options, depth: 0, customInspect: false }).replace(/^\{/, 'Timeout {');
  }
}

class Immediate {
  #i;
  #referenced = true;
  constructor(callback, args) {
    this._onImmediate = callback;
    if (hooks.bind !== undefined) callback = hooks.bind(callback);
    this.#i = binding.immediate(entry(() => {
      this._onImmediate = null;
      callback(...args);
    }));
  }
  ref() {
    this.#referenced = true;
    this.#i.ref(true);
    return this;
  }
  unref() {
    this.#referenced = false;
    this.#i.ref(false);
    return this;
  }
  hasRef() { return this.#referenced; }
  _clear() {
    this._onImmediate = null;
    this.#i.clear();
  }
  [Symbol.dispose]() { this._clear(); }
}

function setTimeout(callback, after, ...args) {
  validateFunction(callback, 'callback');
  return new Timeout(callback, after === undefined ? 1 : after, args.length === 0 ? undefined : args, false);
}

function setInterval(callback, repeat, ...args) {
  validateFunction(callback, 'callback');
  return new Timeout(callback, repeat === undefined ? 1 : repeat, args.length === 0 ? undefined : args, true);
}

function setImmediate(callback, ...args) {
  validateFunction(callback, 'callback');
  return new Immediate(callback, args);
}

function clearTimeout(timer) {
  if (timer instanceof Timeout) timer.close();
  else if (typeof timer === 'number' || typeof timer === 'string') known.get(+timer)?.close();
}

function clearImmediate(immediate) {
  if (immediate instanceof Immediate) immediate._clear();
}

// The promises' forms, which util.promisify finds too.
const custom = Symbol.for('nodejs.util.promisify.custom');

function whenAborted(signal, reject) {
  const { AbortError } = require('internal/errors');
  const fail = () => reject(new AbortError(undefined, { cause: signal.reason }));
  if (signal?.aborted) {
    fail();
    return undefined;
  }
  signal?.addEventListener('abort', fail, { once: true });
  return () => signal?.removeEventListener('abort', fail);
}

function after(begin, end) {
  return (value, options = {}) => new Promise((resolve, reject) => {
    let handle;
    const stop = whenAborted(options?.signal, (err) => {
      if (handle !== undefined) end(handle);
      reject(err);
    });
    if (stop === undefined) return;
    handle = begin(() => {
      stop();
      resolve(value);
    });
    if (options?.ref === false) handle.unref();
  });
}

const promises = {
  setTimeout: (delay, value, options) => {
    if (delay !== undefined && typeof delay !== 'number') return Promise.reject(new ERR_INVALID_ARG_TYPE('delay', 'number', delay));
    return after((f) => setTimeout(f, delay), clearTimeout)(value, options);
  },
  setImmediate: (value, options) => after(setImmediate, clearImmediate)(value, options),
  setInterval(delay, value, options = {}) {
    let missed = 0;
    let waiting;
    let failure;
    const timer = setInterval(() => {
      missed++;
      waiting?.();
    }, delay);
    if (options?.ref === false) timer.unref();
    const stop = whenAborted(options?.signal, (err) => {
      clearInterval(timer);
      failure = err;
      waiting?.();
    });
    return {
      async next() {
        if (missed === 0 && failure === undefined) await new Promise((resolve) => { waiting = resolve; });
        waiting = undefined;
        if (failure !== undefined) throw failure;
        missed--;
        return { value, done: false };
      },
      async return() {
        clearInterval(timer);
        stop?.();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]() { return this; },
    };
  },
  scheduler: {
    wait: (delay, options) => promises.setTimeout(delay, undefined, options),
    yield: () => promises.setImmediate(),
  },
};
const clearInterval = clearTimeout;
Object.defineProperty(setTimeout, custom, { enumerable: true, get() { return promises.setTimeout; } });
Object.defineProperty(setImmediate, custom, { enumerable: true, get() { return promises.setImmediate; } });

module.exports = {
  setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, promises,
};
