'use strict';
// Duplex streams, and those whose output is made of their input.

const { Readable } = require('internal/streams/readable');
const { Writable } = require('internal/streams/writable');
const { destroy } = require('internal/streams/state');
const { codes: { ERR_METHOD_NOT_IMPLEMENTED } } = require('internal/errors');

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  Writable.call(this, options && { ...options, signal: undefined });
  Readable.call(this, options && { ...options, construct: undefined });
  this.allowHalfOpen = options?.allowHalfOpen !== false;
  if (options?.readable === false) {
    Object.assign(this._readableState, { readable: false, ended: true, endEmitted: true });
  }
  if (options?.writable === false) {
    Object.assign(this._writableState, { writable: false, ending: true, ended: true, finished: true });
  }
  if (options?.signal) require('internal/streams/end').addAbortSignal(options.signal, this);
}
Object.setPrototypeOf(Duplex.prototype, Readable.prototype);
Object.setPrototypeOf(Duplex, Readable);

for (const name of Object.getOwnPropertyNames(Writable.prototype)) {
  if (name === 'constructor' || name === 'pipe' || name === 'errored' || Object.hasOwn(Duplex.prototype, name)) continue;
  if (typeof Object.getOwnPropertyDescriptor(Writable.prototype, name).value === 'function' && name in Readable.prototype && name !== 'destroy') continue;
  Object.defineProperty(Duplex.prototype, name, Object.getOwnPropertyDescriptor(Writable.prototype, name));
}
Object.defineProperties(Duplex.prototype, {
  closed: { configurable: true, get() { return Boolean(this._writableState?.closed && this._readableState?.closed); } },
  destroyed: {
    configurable: true,
    get() { return Boolean(this._readableState?.destroyed && this._writableState?.destroyed); },
    set(value) {
      if (!this._readableState || !this._writableState) return;
      this._readableState.destroyed = value;
      this._writableState.destroyed = value;
    },
  },
});

function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  const limit = options?.readableHighWaterMark === 0
    ? { ...options, highWaterMark: undefined, readableHighWaterMark: 0, writableHighWaterMark: options.writableHighWaterMark ?? 0 } : options;
  Duplex.call(this, limit);
  this._readableState.sync = false;
  this._transformCallback = null;
  if (options) {
    if (typeof options.transform === 'function') this._transform = options.transform;
    if (typeof options.flush === 'function') this._flush = options.flush;
  }
  this.on('prefinish', () => {
    if (this._final !== final) final.call(this);
  });
}
Object.setPrototypeOf(Transform.prototype, Duplex.prototype);
Object.setPrototypeOf(Transform, Duplex);

function final(callback) {
  if (typeof this._flush !== 'function' || this.destroyed) {
    this.push(null);
    callback?.();
    return;
  }
  this._flush((err, data) => {
    if (err) {
      if (callback) callback(err);
      else this.destroy(err);
      return;
    }
    if (data != null) this.push(data);
    this.push(null);
    callback?.();
  });
}
Transform.prototype._final = final;

Transform.prototype._transform = function() { throw new ERR_METHOD_NOT_IMPLEMENTED('_transform()'); };

Transform.prototype._write = function(chunk, encoding, callback) {
  const r = this._readableState;
  const w = this._writableState;
  const { length } = r;
  this._transform(chunk, encoding, (err, value) => {
    if (err) {
      callback(err);
      return;
    }
    if (value != null) this.push(value);
    if (r.ended) {
      process.nextTick(callback); // the rest is thrown away
    } else if (w.ended || length === r.length || r.length < r.highWaterMark) {
      callback();
    } else {
      this._transformCallback = callback;
    }
  });
};

Transform.prototype._read = function() {
  if (this._transformCallback) {
    const callback = this._transformCallback;
    this._transformCallback = null;
    callback();
  }
};

function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  Transform.call(this, options);
}
Object.setPrototypeOf(PassThrough.prototype, Transform.prototype);
Object.setPrototypeOf(PassThrough, Transform);
PassThrough.prototype._transform = function(chunk, encoding, callback) { callback(null, chunk); };

// from makes a duplex stream of other things: a stream, something to iterate, or a
// pair of streams.
Duplex.from = function(body) {
  if (body instanceof Duplex) return body;
  if (body?.readable !== undefined && typeof body.readable === 'object') {
    const { readable, writable } = body;
    const duplex = new Duplex({
      objectMode: true,
      read() { readable.resume(); },
      write(chunk, encoding, callback) { writable.write(chunk, encoding, callback); },
      final(callback) { writable.end(callback); },
    });
    readable.pause();
    readable.on('data', (chunk) => { if (!duplex.push(chunk)) readable.pause(); });
    readable.on('end', () => duplex.push(null));
    for (const s of [readable, writable]) s.on('error', (err) => duplex.destroy(err));
    return duplex;
  }
  const readable = body instanceof Readable ? body : Readable.from(body);
  return Duplex.from({ readable, writable: new Writable({ objectMode: true, write(c, e, callback) { callback(); } }) });
};

module.exports = { Duplex, PassThrough, Transform, destroy };
