'use strict';
// diagnostics_channel: named channels on which modules tell of what they do.

const { codes: { ERR_INVALID_ARG_TYPE } } = require('internal/errors');
const { validateFunction } = require('internal/validators');
const { uncaught } = internalBinding('process');

const channels = new Map();

class Channel {
  constructor(name) {
    this.name = name;
    this._subscribers = [];
    this._stores = new Map();
  }
  get hasSubscribers() { return this._subscribers.length > 0 || this._stores.size > 0; }
  subscribe(f) {
    validateFunction(f, 'subscription');
    this._subscribers = [...this._subscribers, f];
  }
  unsubscribe(f) {
    const at = this._subscribers.indexOf(f);
    if (at < 0) return false;
    this._subscribers = this._subscribers.filter((_, i) => i !== at);
    return true;
  }
  publish(message) {
    for (const f of this._subscribers) {
      try {
        f(message, this.name);
      } catch (err) {
        process.nextTick(() => uncaught(err));
      }
    }
  }
  bindStore(store, transform = (v) => v) { this._stores.set(store, transform); }
  unbindStore(store) { return this._stores.delete(store); }
  runStores(message, fn, self, ...args) {
    let run = () => {
      this.publish(message);
      return Reflect.apply(fn, self, args);
    };
    for (const [store, transform] of this._stores) {
      const next = run;
      run = () => store.run(transform(message), next);
    }
    return run();
  }
}

function channel(name) {
  if (typeof name !== 'string' && typeof name !== 'symbol') throw new ERR_INVALID_ARG_TYPE('channel', ['string', 'symbol'], name);
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
}

class TracingChannel {
  constructor(name) {
    for (const event of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
      this[event] = typeof name === 'string' ? channel(`tracing:${name}:${event}`) : name[event];
    }
  }
  subscribe(handlers) { for (const k of Object.keys(handlers)) this[k]?.subscribe(handlers[k]); }
  unsubscribe(handlers) { return Object.keys(handlers).every((k) => this[k]?.unsubscribe(handlers[k])); }
  traceSync(fn, context = {}, self, ...args) {
    return this.start.runStores(context, () => {
      try {
        context.result = Reflect.apply(fn, self, args);
        return context.result;
      } catch (err) {
        context.error = err;
        this.error.publish(context);
        throw err;
      } finally {
        this.end.publish(context);
      }
    });
  }
}

module.exports = {
  Channel, channel,
  hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
  subscribe: (name, f) => channel(name).subscribe(f),
  unsubscribe: (name, f) => channel(name).unsubscribe(f),
  tracingChannel: (name) => new TracingChannel(name),
};
