'use strict';
// EventEmitter, with Node's semantics: listeners are called in order, on a copy of
// the list; an 'error' that nobody listens for is thrown.

const { inspect } = require('internal/inspect');
const { AbortError, codes: { ERR_INVALID_ARG_TYPE, ERR_UNHANDLED_ERROR } } = require('internal/errors');
const { validateAbortSignal, validateFunction, validateNumber, validateBoolean, validateString } = require('internal/validators');

const kErrorMonitor = Symbol('events.errorMonitor');
const kCapture = Symbol('kCapture');
const kRejection = Symbol.for('nodejs.rejection');

let defaultMaxListeners = 10;

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}

EventEmitter.usingDomains = false;
EventEmitter.errorMonitor = kErrorMonitor;
EventEmitter.captureRejectionSymbol = kRejection;
EventEmitter.EventEmitter = EventEmitter;
EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;

Object.defineProperties(EventEmitter, {
  defaultMaxListeners: {
    enumerable: true,
    get() { return defaultMaxListeners; },
    set(n) {
      validateNumber(n, 'defaultMaxListeners', 0);
      defaultMaxListeners = n;
    },
  },
  captureRejections: {
    enumerable: true,
    get() { return EventEmitter.prototype[kCapture]; },
    set(value) {
      validateBoolean(value, 'EventEmitter.captureRejections');
      EventEmitter.prototype[kCapture] = value;
    },
  },
});
Object.defineProperty(EventEmitter.prototype, kCapture, { value: false, writable: true, enumerable: false });

EventEmitter.init = function init(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
  if (options?.captureRejections) {
    validateBoolean(options.captureRejections, 'options.captureRejections');
    this[kCapture] = Boolean(options.captureRejections);
  }
};

function checkListener(listener) {
  validateFunction(listener, 'listener');
}

function maxListeners(emitter) {
  return emitter._maxListeners === undefined ? defaultMaxListeners : emitter._maxListeners;
}

// rejected handles the promise of a listener of an emitter that captures rejections.
function watchPromise(emitter, promise, type, args) {
  if (!emitter[kCapture]) return;
  try {
    const then = promise.then;
    if (typeof then !== 'function') return;
    then.call(promise, undefined, (err) => {
      process.nextTick(() => {
        if (typeof emitter[kRejection] === 'function') {
          emitter[kRejection](err, type, ...args);
          return;
        }
        const capture = emitter[kCapture];
        try {
          emitter[kCapture] = false;
          emitter.emit('error', err);
        } finally {
          emitter[kCapture] = capture;
        }
      });
    });
  } catch (err) {
    emitter.emit('error', err);
  }
}

function throwUnhandled(args) {
  const [err] = args;
  if (err instanceof Error) throw err; // what is thrown is the error itself, with its own stack
  let text;
  try {
    text = inspect(err);
  } catch {
    text = err;
  }
  const wrapped = new ERR_UNHANDLED_ERROR(args.length > 0 ? text : undefined);
  wrapped.context = err;
  throw wrapped;
}

EventEmitter.prototype.setMaxListeners = function setMaxListeners(n) {
  validateNumber(n, 'setMaxListeners', 0);
  this._maxListeners = n;
  return this;
};

EventEmitter.prototype.getMaxListeners = function getMaxListeners() {
  return maxListeners(this);
};

EventEmitter.prototype.emit = function emit(type, ...args) {
  const events = this._events;
  if (type === 'error') {
    if (events !== undefined && events[kErrorMonitor] !== undefined) this.emit(kErrorMonitor, ...args);
    if (events === undefined || events.error === undefined) throwUnhandled(args);
  } else if (events === undefined) {
    return false;
  }
  const handler = events[type];
  if (handler === undefined) return false;
  if (typeof handler === 'function') {
    const result = Reflect.apply(handler, this, args);
    if (result !== undefined && result !== null) watchPromise(this, result, type, args);
    return true;
  }
  for (const listener of handler.slice()) {
    const result = Reflect.apply(listener, this, args);
    if (result !== undefined && result !== null) watchPromise(this, result, type, args);
  }
  return true;
};

function warnOfLeak(emitter, type, existing) {
  existing.warned = true;
  const w = new Error('Possible EventEmitter memory leak detected. ' +
    `${existing.length} ${String(type)} listeners added to ${inspect(emitter, { depth: -1 })}. ` +
    `MaxListeners is ${maxListeners(emitter)}. Use emitter.setMaxListeners() to increase limit`);
  w.name = 'MaxListenersExceededWarning';
  w.emitter = emitter;
  w.type = type;
  w.count = existing.length;
  process.emitWarning(w);
}

function add(emitter, type, listener, first) {
  checkListener(listener);
  let events = emitter._events;
  if (events === undefined) {
    events = emitter._events = Object.create(null);
    emitter._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    emitter.emit('newListener', type, listener.listener ?? listener);
    events = emitter._events;
  }
  const existing = events[type];
  if (existing === undefined) {
    events[type] = listener;
    emitter._eventsCount++;
    return emitter;
  }
  if (typeof existing === 'function') {
    events[type] = first ? [listener, existing] : [existing, listener];
  } else if (first) {
    existing.unshift(listener);
  } else {
    existing.push(listener);
  }
  const max = maxListeners(emitter);
  const all = events[type];
  if (max > 0 && all.length > max && !all.warned) warnOfLeak(emitter, type, all);
  return emitter;
}

EventEmitter.prototype.addListener = function addListener(type, listener) {
  return add(this, type, listener, false);
};
EventEmitter.prototype.on = EventEmitter.prototype.addListener;
EventEmitter.prototype.prependListener = function prependListener(type, listener) {
  return add(this, type, listener, true);
};

// onceOf wraps a listener so that it is removed before it is called.
function onceOf(emitter, type, listener) {
  let fired = false;
  function wrapper(...args) {
    if (fired) return undefined;
    fired = true;
    emitter.removeListener(type, wrapper);
    return Reflect.apply(listener, emitter, args);
  }
  wrapper.listener = listener;
  return wrapper;
}

EventEmitter.prototype.once = function once(type, listener) {
  checkListener(listener);
  return this.on(type, onceOf(this, type, listener));
};
EventEmitter.prototype.prependOnceListener = function prependOnceListener(type, listener) {
  checkListener(listener);
  return this.prependListener(type, onceOf(this, type, listener));
};

EventEmitter.prototype.removeListener = function removeListener(type, listener) {
  checkListener(listener);
  const events = this._events;
  const existing = events?.[type];
  if (existing === undefined) return this;
  if (existing === listener || existing.listener === listener) {
    this._eventsCount--;
    delete events[type];
    if (events.removeListener) this.emit('removeListener', type, existing.listener ?? listener);
    return this;
  }
  if (typeof existing === 'function') return this;
  let at = existing.length - 1;
  while (at >= 0 && existing[at] !== listener && existing[at].listener !== listener) at--;
  if (at < 0) return this;
  existing.splice(at, 1);
  if (existing.length === 1) events[type] = existing[0];
  if (events.removeListener !== undefined) this.emit('removeListener', type, listener);
  return this;
};
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

EventEmitter.prototype.removeAllListeners = function removeAllListeners(type) {
  const events = this._events;
  if (events === undefined) return this;
  if (events.removeListener === undefined) {
    if (arguments.length === 0) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else if (events[type] !== undefined) {
      delete events[type];
      this._eventsCount--;
    }
    return this;
  }
  if (arguments.length === 0) {
    for (const key of Reflect.ownKeys(events)) {
      if (key !== 'removeListener') this.removeAllListeners(key);
    }
    this.removeAllListeners('removeListener');
    return this;
  }
  const listeners = events[type];
  if (typeof listeners === 'function') {
    this.removeListener(type, listeners);
  } else if (listeners !== undefined) {
    for (let i = listeners.length - 1; i >= 0; i--) this.removeListener(type, listeners[i]);
  }
  return this;
};

function listenersOf(emitter, type, unwrap) {
  const existing = emitter._events?.[type];
  if (existing === undefined) return [];
  const all = typeof existing === 'function' ? [existing] : existing.slice();
  return unwrap ? all.map((l) => l.listener ?? l) : all;
}

EventEmitter.prototype.listeners = function listeners(type) { return listenersOf(this, type, true); };
EventEmitter.prototype.rawListeners = function rawListeners(type) { return listenersOf(this, type, false); };
EventEmitter.prototype.listenerCount = function listenerCount(type, listener) {
  const all = listenersOf(this, type, false);
  return listener == null ? all.length : all.filter((l) => l === listener || l.listener === listener).length;
};
EventEmitter.listenerCount = (emitter, type) => emitter.listenerCount(type);
EventEmitter.prototype.eventNames = function eventNames() {
  return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : [];
};

function isTarget(x) { return typeof x?.addEventListener === 'function'; }

function getEventListeners(emitter, type) {
  if (typeof emitter?.listeners === 'function') return emitter.listeners(type);
  if (isTarget(emitter)) return emitter[Symbol.for('castnet.listeners')]?.(type) ?? [];
  throw new ERR_INVALID_ARG_TYPE('emitter', ['EventEmitter', 'EventTarget'], emitter);
}

function subscribe(emitter, name, listener, once) {
  if (typeof emitter.on === 'function') {
    if (once) emitter.once(name, listener);
    else emitter.on(name, listener);
  } else if (isTarget(emitter)) {
    emitter.addEventListener(name, listener, { once });
  } else {
    throw new ERR_INVALID_ARG_TYPE('emitter', 'EventEmitter', emitter);
  }
}

function unsubscribe(emitter, name, listener) {
  if (typeof emitter.removeListener === 'function') emitter.removeListener(name, listener);
  else emitter.removeEventListener(name, listener);
}

// once returns a promise of the arguments of the next event of that name.
function once(emitter, name, options = {}) {
  return new Promise((resolve, reject) => {
    const signal = options?.signal;
    validateAbortSignal(signal, 'options.signal');
    const aborted = () => {
      unsubscribe(emitter, name, resolver);
      if (name !== 'error' && typeof emitter.once === 'function') unsubscribe(emitter, 'error', failed);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    if (signal?.aborted) {
      reject(new AbortError(undefined, { cause: signal.reason }));
      return;
    }
    const done = () => signal?.removeEventListener('abort', aborted);
    function failed(err) {
      unsubscribe(emitter, name, resolver);
      done();
      reject(err);
    }
    function resolver(...args) {
      if (name !== 'error' && typeof emitter.once === 'function') unsubscribe(emitter, 'error', failed);
      done();
      resolve(args);
    }
    subscribe(emitter, name, resolver, true);
    if (name !== 'error' && typeof emitter.once === 'function') emitter.once('error', failed);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

// on returns an asynchronous iterator over the events of that name.
function on(emitter, name, options = {}) {
  const signal = options?.signal;
  validateAbortSignal(signal, 'options.signal');
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const events = [];
  const waiting = [];
  let failure = null;
  let finished = false;
  const arrived = (...args) => {
    if (waiting.length > 0) waiting.shift().resolve({ value: args, done: false });
    else events.push(args);
  };
  const failed = (err) => {
    failure = err;
    if (waiting.length > 0) {
      failure = null;
      waiting.shift().reject(err);
    }
    finish();
  };
  const aborted = () => failed(new AbortError(undefined, { cause: signal.reason }));
  function finish() {
    if (!finished) {
      finished = true;
      unsubscribe(emitter, name, arrived);
      if (name !== 'error' && typeof emitter.on === 'function') unsubscribe(emitter, 'error', failed);
      for (const end of options?.close ?? []) unsubscribe(emitter, end, finish);
      signal?.removeEventListener('abort', aborted);
    }
    for (const w of waiting.splice(0)) w.resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  }
  subscribe(emitter, name, arrived, false);
  if (name !== 'error' && typeof emitter.on === 'function') emitter.on('error', failed);
  for (const end of options?.close ?? []) subscribe(emitter, end, finish, false);
  signal?.addEventListener('abort', aborted, { once: true });
  return {
    next() {
      if (events.length > 0) return Promise.resolve({ value: events.shift(), done: false });
      if (failure !== null) {
        const err = failure;
        failure = null;
        return Promise.reject(err);
      }
      if (finished) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: finish,
    throw(err) {
      failed(err);
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() { return this; },
  };
}

function setMaxListeners(n = defaultMaxListeners, ...targets) {
  validateNumber(n, 'setMaxListeners', 0);
  if (targets.length === 0) defaultMaxListeners = n;
  for (const t of targets) {
    if (typeof t.setMaxListeners === 'function') t.setMaxListeners(n);
    else if (!isTarget(t)) throw new ERR_INVALID_ARG_TYPE('eventTargets', ['EventEmitter', 'EventTarget'], t);
  }
}

function addAbortListener(signal, listener) {
  if (signal === undefined) throw new ERR_INVALID_ARG_TYPE('signal', 'AbortSignal', signal);
  validateAbortSignal(signal, 'signal');
  validateFunction(listener, 'listener');
  let remove;
  if (signal.aborted) {
    queueMicrotask(() => listener());
  } else {
    signal.addEventListener('abort', listener, { once: true });
    remove = () => signal.removeEventListener('abort', listener);
  }
  return { [Symbol.dispose]() { remove?.(); } };
}

class EventEmitterAsyncResource extends EventEmitter {
  constructor(options) {
    let name;
    if (typeof options === 'string') {
      name = options;
      options = undefined;
    } else {
      name = options?.name ?? new.target.name;
    }
    super(options);
    validateString(name, 'name');
    const { AsyncResource } = require('async_hooks');
    this.asyncResource = new AsyncResource(name, options);
  }
  emit(...args) { return this.asyncResource.runInAsyncScope(super.emit, this, ...args); }
  emitDestroy() { this.asyncResource.emitDestroy(); }
  get asyncId() { return this.asyncResource.asyncId(); }
  get triggerAsyncId() { return this.asyncResource.triggerAsyncId(); }
}

Object.assign(EventEmitter, {
  EventEmitterAsyncResource, addAbortListener, getEventListeners, getMaxListeners: (e) => e.getMaxListeners(), on, once,
  setMaxListeners,
});
module.exports = EventEmitter;
