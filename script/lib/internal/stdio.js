'use strict';
// The standard streams. Writing is done at once; reading is by events or by an
// asynchronous iterator.

const EventEmitter = require('events');
const binding = internalBinding('process');
const { Buffer } = require('buffer');
const { entry } = require('internal/ticks');
const { codes: { ERR_INVALID_ARG_TYPE } } = require('internal/errors');

class Output extends EventEmitter {
  constructor(fd) {
    super();
    this.fd = fd;
    this.writable = true;
    this.isTTY = binding.isTTY(fd) || undefined;
    if (this.isTTY) {
      this.columns = 80;
      this.rows = 24;
    }
  }
  write(chunk, encoding, callback) {
    if (typeof encoding === 'function') {
      callback = encoding;
      encoding = undefined;
    }
    if (typeof chunk === 'string') {
      binding.write(this.fd, encoding === undefined || encoding === 'utf8' ? chunk : Buffer.from(chunk, encoding));
    } else if (chunk instanceof Uint8Array) {
      binding.write(this.fd, chunk);
    } else {
      throw new ERR_INVALID_ARG_TYPE('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
    }
    if (typeof callback === 'function') process.nextTick(callback);
    return true;
  }
  end(chunk, encoding, callback) {
    if (chunk !== undefined && typeof chunk !== 'function') this.write(chunk, encoding);
    const last = [chunk, encoding, callback].find((f) => typeof f === 'function');
    if (last) process.nextTick(last);
    return this;
  }
  cork() {}
  uncork() {}
  destroy() { return this; }
  getColorDepth() { return 1; }
  hasColors() { return false; }
  getWindowSize() { return [this.columns, this.rows]; }
  _refreshSize() {}
}

class Input extends EventEmitter {
  #ref;
  #flowing = false;
  #encoding;
  #held = [];
  #ended = false;
  constructor() {
    super();
    this.fd = 0;
    this.readable = true;
    this.isTTY = binding.isTTY(0) || undefined;
  }
  on(name, listener) {
    super.on(name, listener);
    if (name === 'data' || name === 'readable') this.resume();
    return this;
  }
  addListener(name, listener) { return this.on(name, listener); }
  setEncoding(encoding = 'utf8') {
    const { StringDecoder } = require('string_decoder');
    this.#encoding = new StringDecoder(encoding);
    return this;
  }
  #open() {
    this.#ref ??= binding.readStdin(entry((piece) => this.#take(piece)));
  }
  #take(piece) {
    if (piece === undefined) {
      this.#ended = true;
      this.readable = false;
    } else {
      this.#held.push(Buffer.from(piece));
    }
    if (this.#flowing) this.#flow();
  }
  #flow() {
    while (this.#flowing && this.#held.length > 0) {
      const piece = this.#held.shift();
      this.emit('data', this.#encoding === undefined ? piece : this.#encoding.write(piece));
    }
    if (this.#flowing && this.#ended && this.#held.length === 0) {
      this.#flowing = false;
      this.emit('end');
      this.emit('close');
    }
  }
  resume() {
    this.#open();
    if (!this.#flowing) {
      this.#flowing = true;
      process.nextTick(() => this.#flow());
    }
    return this;
  }
  pause() {
    this.#flowing = false;
    return this;
  }
  ref() {
    this.#ref?.(true);
    return this;
  }
  unref() {
    this.#ref?.(false);
    return this;
  }
  setRawMode() { return this; }
  destroy() { return this.pause().unref(); }
  [Symbol.asyncIterator]() { return EventEmitter.on(this.resume(), 'data', { close: ['end'] })[Symbol.asyncIterator](); }
}

const made = new Map();
function once(name, make) {
  return () => {
    if (!made.has(name)) made.set(name, make());
    return made.get(name);
  };
}

module.exports = {
  stdin: once('stdin', () => new Input()),
  stdout: once('stdout', () => new Output(1)),
  stderr: once('stderr', () => new Output(2)),
};
