'use strict';
// AsyncLocalStorage and AsyncResource. What is stored goes along with ticks, timers
// and queued microtasks. Hooks can be made, and are never called.

const ticks = require('internal/ticks');
const { validateFunction, validateString } = require('internal/validators');
const { codes: { ERR_ASYNC_TYPE } } = require('internal/errors');

let current = new Map(); // what each storage holds now
let nextId = 1;

function within(frame, f, self, args) {
  const before = current;
  current = frame;
  try {
    return Reflect.apply(f, self, args);
  } finally {
    current = before;
  }
}

function bindTo(f) {
  const frame = current;
  return function(...args) { return within(frame, f, this, args); };
}

class AsyncLocalStorage {
  constructor() {
    // From the first storage on, functions that are queued keep their context.
    ticks.hooks.bind = bindTo;
  }
  static bind(f) { return bindTo(f); }
  static snapshot() {
    const frame = current;
    return (f, ...args) => within(frame, f, undefined, args);
  }
  getStore() { return current.get(this); }
  run(store, f, ...args) { return within(new Map(current).set(this, store), f, undefined, args); }
  exit(f, ...args) { return this.run(undefined, f, ...args); }
  enterWith(store) { current = new Map(current).set(this, store); }
  disable() {
    current = new Map(current);
    current.delete(this);
  }
}

class AsyncResource {
  #frame = current;
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
