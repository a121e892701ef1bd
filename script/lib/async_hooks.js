'use strict';
// AsyncLocalStorage and AsyncResource. The context in which something begins goes along
// with what it begins: with ticks, timers, promises, sends and lookups; a socket's messages
// are in that in which the socket was made. Hooks can be made, and are never called.

const { get, set, track } = internalBinding('async');
const ticks = require('internal/ticks');
const { validateFunction, validateObject, validateString } = require('internal/validators');
const { codes: { ERR_ASYNC_TYPE } } = require('internal/errors');

// A context is what each storage holds, a Map that is never changed; undefined: nothing.
let nextId = 1;

function within(frame, f, self, args) {
  const before = get();
  set(frame);
  try {
    return Reflect.apply(f, self, args);
  } finally {
    set(before);
  }
}

function bindTo(f) {
  const frame = get();
  return function(...args) { return within(frame, f, this, args); };
}

class AsyncLocalStorage {
  #name;
  #default;
  constructor(options = {}) {
    validateObject(options, 'options');
    if (options.name !== undefined) validateString(options.name, 'options.name');
    this.#name = options.name ?? '';
    this.#default = options.defaultValue;
    // From the first storage on, functions that are queued keep their context.
    if (ticks.hooks.bind === undefined) {
      ticks.hooks.bind = bindTo;
      track();
    }
  }
  static bind(f) {
    validateFunction(f, 'fn');
    return bindTo(f);
  }
  static snapshot() {
    const frame = get();
    return (f, ...args) => within(frame, f, undefined, args);
  }
  get name() { return this.#name; }
  getStore() {
    const frame = get();
    return frame?.has(this) ? frame.get(this) : this.#default;
  }
  run(store, f, ...args) { return within(new Map(get()).set(this, store), f, undefined, args); }
  exit(f, ...args) { return this.run(undefined, f, ...args); }
  enterWith(store) { set(new Map(get()).set(this, store)); }
  disable() {
    const frame = new Map(get());
    frame.delete(this);
    set(frame);
  }
}

class AsyncResource {
  #frame = get();
  #id = ++nextId;
  constructor(type) {
    validateString(type, 'type');
    if (type === '') throw new ERR_ASYNC_TYPE(type);
  }
  runInAsyncScope(f, self, ...args) { return within(this.#frame, f, self, args); }
  emitDestroy() { return this; }
  asyncId() { return this.#id; }
  triggerAsyncId() { return 1; }
  bind(f) {
    validateFunction(f, 'fn');
    return (...args) => this.runInAsyncScope(f, undefined, ...args);
  }
  static bind(f, type) { return new AsyncResource(type || f.name || 'bound-anonymous-fn').bind(f); }
}

module.exports = {
  AsyncLocalStorage, AsyncResource,
  createHook: () => ({ enable() { return this; }, disable() { return this; } }),
  executionAsyncId: () => 1,
  executionAsyncResource: () => ({}),
  triggerAsyncId: () => 0,
  asyncWrapProviders: Object.freeze({ UDPSENDWRAP: 0, UDPWRAP: 1, Timeout: 2 }),
};
