'use strict';
// The standard streams. Writing is done at once.

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

// input makes the stream of standard input. It keeps the script alive while somebody
// waits for what comes next.
function input() {
  const { Readable } = require('stream');
  let waiting = false;
  let wanted = true;
  const update = () => source.ref(waiting && wanted && !stdin.isPaused());
  const source = binding.readStdin(entry((piece) => {
    waiting = false;
    stdin.push(piece === undefined ? null : Buffer.from(piece));
    update();
  }));
  const stdin = new Readable({
    read() {
      waiting = true;
      source.more();
      update();
    },
    destroy(err, callback) {
      wanted = false;
      update();
      callback(err);
    },
  });
  const paused = stdin.isPaused;
  stdin.isPaused = function() { return stdin._readableState.explicit === true && Reflect.apply(paused, stdin, []); };
  for (const name of ['pause', 'resume']) stdin.on(name, update);
  return Object.assign(stdin, {
    fd: 0, isTTY: binding.isTTY(0) || undefined,
    ref() {
      wanted = true;
      update();
      return stdin;
    },
    unref() {
      wanted = false;
      update();
      return stdin;
    },
    setRawMode() { return stdin; },
  });
}

const made = new Map();
function once(name, make) {
  return () => {
    if (!made.has(name)) made.set(name, make());
    return made.get(name);
  };
}

module.exports = {
  stdin: once('stdin', input),
  stdout: once('stdout', () => new Output(1)),
  stderr: once('stderr', () => new Output(2)),
};
