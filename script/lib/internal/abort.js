'use strict';
// EventTarget, AbortController and DOMException.

const { codes: { ERR_EVENT_RECURSION, ERR_ILLEGAL_CONSTRUCTOR, ERR_INVALID_ARG_TYPE, ERR_INVALID_THIS, ERR_MISSING_ARGS } } = require('internal/errors');
const { validateUint32 } = require('internal/validators');
const { uncaught } = internalBinding('process');
const { formatStack } = internalBinding('errors');

const numbers = {
  IndexSizeError: 1, NotFoundError: 8, NotSupportedError: 9, InvalidStateError: 11, SyntaxError: 12, InvalidAccessError: 15,
  TimeoutError: 23, AbortError: 20, DataCloneError: 25, InvalidCharacterError: 5,
};

class DOMException extends Error {
  #name;
  constructor(message = '', options = 'Error') {
    super(`${message}`);
    this.#name = typeof options === 'object' && options !== null ? `${options.name ?? 'Error'}` : `${options}`;
    if (typeof options === 'object' && options !== null && 'cause' in options) {
      Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true, enumerable: false });
    }
    this.stack = formatStack(this.stack).replace(/^Error/, this.#name);
    Object.defineProperty(this, 'stack', { enumerable: false });
  }
  get name() { return this.#name; }
  get code() { return numbers[this.#name] ?? 0; }
  get [Symbol.toStringTag]() { return 'DOMException'; }
}

class Event {
  #type;
  #cancelable;
  #stopped = false;
  #prevented = false;
  #target = null;
  #dispatching = false;
  #stamp = internalBinding('process').now();
  constructor(type, options = {}) {
    if (arguments.length === 0) throw new ERR_MISSING_ARGS('type');
    if (options !== null && typeof options !== 'object') throw new ERR_INVALID_ARG_TYPE('options', 'Object', options);
    this.#type = `${type}`;
    this.#cancelable = Boolean(options?.cancelable);
    this.bubbles = Boolean(options?.bubbles);
    this.composed = Boolean(options?.composed);
  }
  get type() { return this.#type; }
  get target() { return this.#target; }
  get currentTarget() { return this.#dispatching ? this.#target : null; }
  get srcElement() { return this.#target; }
  get cancelable() { return this.#cancelable; }
  get defaultPrevented() { return this.#cancelable && this.#prevented; }
  get timeStamp() { return this.#stamp; }
  get eventPhase() { return this.#dispatching ? 2 : 0; }
  get isTrusted() { return false; }
  get returnValue() { return !this.defaultPrevented; }
  get cancelBubble() { return false; }
  preventDefault() { this.#prevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.#stopped = true; }
  composedPath() { return this.#dispatching ? [this.#target] : []; }
  static dispatch(event, target, call) {
    if (event.#dispatching) throw new ERR_EVENT_RECURSION(event.#type);
    event.#target = target;
    event.#dispatching = true;
    call(() => event.#stopped);
    event.#dispatching = false;
    return !event.defaultPrevented;
  }
}
const { dispatch } = Event;
delete Event.dispatch;

class CustomEvent extends Event {
  constructor(type, options) {
    super(type, options);
    this.detail = options?.detail ?? null;
  }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, listener, options = {}) {
    if (listener == null) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') {
      throw new ERR_INVALID_ARG_TYPE('listener', 'EventListener', listener);
    }
    const capture = typeof options === 'boolean' ? options : Boolean(options?.capture);
    const { once = false, signal } = typeof options === 'object' && options !== null ? options : {};
    if (signal?.aborted) return;
    const list = this.#listeners.get(`${type}`) ?? [];
    if (list.some((l) => l.listener === listener && l.capture === capture)) return;
    this.#listeners.set(`${type}`, [...list, { listener, capture, once }]);
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener, options), { once: true });
  }
  removeEventListener(type, listener, options = {}) {
    const capture = typeof options === 'boolean' ? options : Boolean(options?.capture);
    const list = this.#listeners.get(`${type}`);
    if (list !== undefined) this.#listeners.set(`${type}`, list.filter((l) => l.listener !== listener || l.capture !== capture));
  }
  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new ERR_INVALID_ARG_TYPE('event', 'Event', event);
    return dispatch(event, this, (isStopped) => {
      for (const l of this.#listeners.get(event.type) ?? []) {
        if (!(this.#listeners.get(event.type) ?? []).includes(l)) continue;
        if (l.once) this.removeEventListener(event.type, l.listener, l.capture);
        try {
          if (typeof l.listener === 'function') l.listener.call(this, event);
          else l.listener.handleEvent?.(event);
        } catch (err) {
          process.nextTick(() => uncaught(err));
        }
        if (isStopped()) break;
      }
    });
  }
  [Symbol.for('castnet.listeners')](type) { return (this.#listeners.get(type) ?? []).map((l) => l.listener); }
  get [Symbol.toStringTag]() { return 'EventTarget'; }
}

let permitted = false;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  #handler = null;
  #dependents = [];
  constructor() {
    if (!permitted) throw new ERR_ILLEGAL_CONSTRUCTOR();
    super();
  }
  get aborted() {
    if (!(#aborted in this)) throw new ERR_INVALID_THIS('AbortSignal');
    return this.#aborted;
  }
  get reason() { return this.#reason; }
  get onabort() { return this.#handler; }
  set onabort(f) {
    if (this.#handler !== null) this.removeEventListener('abort', this.#handler);
    this.#handler = typeof f === 'function' ? f : null;
    if (this.#handler !== null) this.addEventListener('abort', this.#handler);
  }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
  static make() {
    permitted = true;
    const signal = new AbortSignal();
    permitted = false;
    return signal;
  }
  static fire(signal, reason = new DOMException('This operation was aborted', 'AbortError')) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    signal.dispatchEvent(new Event('abort'));
    for (const d of signal.#dependents.splice(0)) AbortSignal.fire(d, reason);
  }
  static depend(signal, on) { on.#dependents.push(signal); }
  static abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    const signal = AbortSignal.make();
    AbortSignal.fire(signal, reason);
    return signal;
  }
  static timeout(delay) {
    validateUint32(delay, 'delay');
    const signal = AbortSignal.make();
    setTimeout(() => AbortSignal.fire(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delay).unref();
    return signal;
  }
  static any(signals) {
    const signal = AbortSignal.make();
    for (const s of signals) {
      if (s.aborted) {
        AbortSignal.fire(signal, s.reason);
        return signal;
      }
    }
    for (const s of signals) AbortSignal.depend(signal, s);
    return signal;
  }
  get [Symbol.toStringTag]() { return 'AbortSignal'; }
}
const { make, fire } = AbortSignal;
for (const name of ['make', 'fire', 'depend']) Object.defineProperty(AbortSignal, name, { enumerable: false });

class AbortController {
  #signal = make();
  get signal() { return this.#signal; }
  abort(reason) { fire(this.#signal, reason); }
  get [Symbol.toStringTag]() { return 'AbortController'; }
}

module.exports = { AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget };
