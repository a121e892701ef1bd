'use strict';
// Readable streams: a queue that _read fills, and that 'data', 'readable', pipe or an
// iterator empties.

const { Stream, prepend } = require('internal/streams/legacy');
const {
  common, construct, destroy, destroyer, errorOrDestroy, highWaterMark, undestroy,
} = require('internal/streams/state');
const iteration = require('internal/streams/iteration');
const { Buffer } = require('buffer');
const {
  AbortError,
  codes: {
    ERR_INVALID_ARG_TYPE, ERR_METHOD_NOT_IMPLEMENTED, ERR_OUT_OF_RANGE, ERR_STREAM_PUSH_AFTER_EOF, ERR_STREAM_UNSHIFT_AFTER_END_EVENT,
  },
} = require('internal/errors');

const decoderOf = (encoding) => new (require('string_decoder').StringDecoder)(encoding ?? 'utf8');

function ReadableState(options, stream, isDuplex) {
  this.objectMode = Boolean(options?.objectMode || (isDuplex && options?.readableObjectMode));
  this.highWaterMark = highWaterMark(options, 'readableHighWaterMark', this.objectMode, isDuplex);
  common(this, options);
  this.buffer = [];
  this.length = 0;
  this.pipes = [];
  this.flowing = null;
  this.ended = false;
  this.endEmitted = false;
  this.reading = false;
  this.sync = true;
  this.needReadable = false;
  this.emittedReadable = false;
  this.readableListening = false;
  this.resumeScheduled = false;
  this.readingMore = false;
  this.dataEmitted = false;
  this.didRead = false;
  this.awaitDrainWriters = new Set();
  this.decoder = null;
  this.encoding = null;
  if (options?.encoding) {
    this.decoder = decoderOf(options.encoding);
    this.encoding = this.decoder.encoding;
  }
}
Object.defineProperty(ReadableState.prototype, 'paused', { get() { return this.flowing === false && this.explicit === true; } });

function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  const isDuplex = this instanceof require('internal/streams/duplex').Duplex;
  this._readableState ??= new ReadableState(options, this, isDuplex);
  if (options) {
    if (typeof options.read === 'function') this._read = options.read;
    if (typeof options.destroy === 'function') this._destroy = options.destroy;
    if (typeof options.construct === 'function') this._construct = options.construct;
    if (options.signal && !isDuplex) require('internal/streams/end').addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  construct(this, () => {
    if (this._readableState.needReadable) maybeReadMore(this, this._readableState);
  });
}
Object.setPrototypeOf(Readable.prototype, Stream.prototype);
Object.setPrototypeOf(Readable, Stream);
Readable.ReadableState = ReadableState;

Readable.prototype.destroy = destroy;
Readable.prototype._undestroy = undestroy;
Readable.prototype._destroy = function(err, callback) { callback(err); };
Readable.prototype[Symbol.for('nodejs.rejection')] = function(err) { this.destroy(err); };
Readable.prototype[Symbol.asyncDispose] = async function() {
  let err;
  if (!this.destroyed) {
    err = this.readableEnded ? null : new AbortError();
    this.destroy(err);
  }
  await new Promise((resolve, reject) => require('internal/streams/end').eos(this, (e) => (e && e !== err ? reject(e) : resolve())));
};

Readable.prototype.push = function(chunk, encoding) { return add(this, chunk, encoding, false); };
Readable.prototype.unshift = function(chunk, encoding) { return add(this, chunk, encoding, true); };

function add(stream, chunk, encoding, first) {
  const state = stream._readableState;
  let err;
  if (!state.objectMode && chunk !== null) {
    if (typeof chunk === 'string') {
      encoding ||= state.defaultEncoding;
      if (state.encoding !== encoding) {
        if (first && state.encoding) {
          chunk = Buffer.from(chunk, encoding).toString(state.encoding);
        } else {
          chunk = Buffer.from(chunk, encoding);
          encoding = '';
        }
      }
    } else if (chunk instanceof Buffer) {
      encoding = '';
    } else if (ArrayBuffer.isView(chunk)) {
      chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      encoding = '';
    } else if (chunk !== undefined) {
      err = new ERR_INVALID_ARG_TYPE('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
    }
  }
  if (err) {
    errorOrDestroy(stream, err);
  } else if (chunk === null) {
    state.reading = false;
    onEnd(stream, state);
  } else if (state.objectMode || (chunk && chunk.length > 0)) {
    if (first) {
      if (state.endEmitted) errorOrDestroy(stream, new ERR_STREAM_UNSHIFT_AFTER_END_EVENT());
      else if (state.destroyed || state.errored) return false;
      else put(stream, state, chunk, true);
    } else if (state.ended) {
      errorOrDestroy(stream, new ERR_STREAM_PUSH_AFTER_EOF());
    } else if (state.destroyed || state.errored) {
      return false;
    } else {
      state.reading = false;
      if (state.decoder && !encoding) {
        chunk = state.decoder.write(chunk);
        if (state.objectMode || chunk.length !== 0) put(stream, state, chunk, false);
        else maybeReadMore(stream, state);
      } else {
        put(stream, state, chunk, false);
      }
    }
  } else if (!first) {
    state.reading = false;
    maybeReadMore(stream, state);
  }
  return !state.ended && (state.length < state.highWaterMark || state.length === 0);
}

function put(stream, state, chunk, first) {
  if (state.flowing && state.length === 0 && !state.sync && stream.listenerCount('data') > 0) {
    state.awaitDrainWriters.clear();
    state.dataEmitted = true;
    stream.emit('data', chunk);
  } else {
    state.length += state.objectMode ? 1 : chunk.length;
    if (first) state.buffer.unshift(chunk);
    else state.buffer.push(chunk);
    if (state.needReadable) emitReadable(stream);
  }
  maybeReadMore(stream, state);
}

Readable.prototype.isPaused = function() { return this._readableState.explicit === true || this._readableState.flowing === false; };

Readable.prototype.setEncoding = function(encoding) {
  const state = this._readableState;
  const decoder = decoderOf(encoding);
  state.decoder = decoder;
  state.encoding = decoder.encoding;
  let content = '';
  for (const chunk of state.buffer) content += decoder.write(chunk);
  state.buffer = content === '' ? [] : [content];
  state.length = content.length;
  return this;
};

const largest = 2 ** 30;

function toRead(n, state) {
  if (n <= 0 || (state.length === 0 && state.ended)) return 0;
  if (state.objectMode) return 1;
  if (Number.isNaN(n)) return state.flowing && state.length > 0 ? state.buffer[0].length : state.length;
  if (n <= state.length) return n;
  return state.ended ? state.length : 0;
}

Readable.prototype.read = function(n) {
  if (n === undefined) n = NaN;
  else if (!Number.isInteger(n)) n = Number.parseInt(n, 10);
  const state = this._readableState;
  const asked = n;
  if (n > state.highWaterMark) {
    if (n > largest) throw new ERR_OUT_OF_RANGE('size', '<= 1GiB', n);
    state.highWaterMark = 2 ** Math.ceil(Math.log2(n));
  }
  if (n !== 0) state.emittedReadable = false;
  if (n === 0 && state.needReadable && ((state.highWaterMark !== 0 ? state.length >= state.highWaterMark : state.length > 0) || state.ended)) {
    if (state.length === 0 && state.ended) endReadable(this);
    else emitReadable(this);
    return null;
  }
  n = toRead(n, state);
  if (n === 0 && state.ended) {
    if (state.length === 0) endReadable(this);
    return null;
  }
  let wanted = state.needReadable || state.length === 0 || state.length - n < state.highWaterMark;
  if (state.ended || state.reading || state.destroyed || state.errored || !state.constructed) wanted = false;
  if (wanted) {
    state.reading = true;
    state.sync = true;
    if (state.length === 0) state.needReadable = true;
    try {
      this._read(state.highWaterMark);
    } catch (err) {
      errorOrDestroy(this, err);
    }
    state.sync = false;
    if (!state.reading) n = toRead(asked, state);
  }
  const chunk = n > 0 ? take(n, state) : null;
  if (chunk === null) {
    state.needReadable = state.length <= state.highWaterMark;
    n = 0;
  } else {
    state.length -= n;
    state.awaitDrainWriters.clear();
  }
  if (state.length === 0) {
    if (!state.ended) state.needReadable = true;
    if (asked !== n && state.ended) endReadable(this);
  }
  if (chunk !== null && !state.errored && !state.closeEmitted) {
    state.dataEmitted = true;
    this.emit('data', chunk);
  }
  return chunk;
};

// take removes n bytes, or one object, from the queue.
function take(n, state) {
  if (state.length === 0) return null;
  const { buffer } = state;
  if (state.objectMode) return buffer.shift();
  if (!n || n >= state.length) {
    const all = state.decoder ? buffer.join('') : buffer.length === 1 ? buffer[0] : Buffer.concat(buffer, state.length);
    state.buffer = [];
    return all;
  }
  if (n === buffer[0].length) return buffer.shift();
  if (n < buffer[0].length) {
    const part = buffer[0].slice(0, n);
    buffer[0] = buffer[0].slice(n);
    return part;
  }
  const parts = [];
  while (n > 0) {
    if (n >= buffer[0].length) {
      n -= buffer[0].length;
      parts.push(buffer.shift());
    } else {
      parts.push(buffer[0].slice(0, n));
      buffer[0] = buffer[0].slice(n);
      n = 0;
    }
  }
  return state.decoder ? parts.join('') : Buffer.concat(parts);
}

function onEnd(stream, state) {
  if (state.ended) return;
  if (state.decoder) {
    const rest = state.decoder.end();
    if (rest?.length) {
      state.buffer.push(rest);
      state.length += state.objectMode ? 1 : rest.length;
    }
  }
  state.ended = true;
  if (state.sync) {
    emitReadable(stream);
  } else {
    state.needReadable = false;
    state.emittedReadable = true;
    emitReadableNow(stream);
  }
}

function emitReadable(stream) {
  const state = stream._readableState;
  state.needReadable = false;
  if (!state.emittedReadable) {
    state.emittedReadable = true;
    process.nextTick(emitReadableNow, stream);
  }
}

function emitReadableNow(stream) {
  const state = stream._readableState;
  if (!state.destroyed && !state.errored && (state.length || state.ended)) {
    stream.emit('readable');
    state.emittedReadable = false;
  }
  state.needReadable = !state.flowing && !state.ended && state.length <= state.highWaterMark;
  flow(stream);
}

function maybeReadMore(stream, state) {
  if (state.readingMore || !state.constructed) return;
  state.readingMore = true;
  process.nextTick(() => {
    while (!state.reading && !state.ended && (state.length < state.highWaterMark || (state.flowing && state.length === 0))) {
      const { length } = state;
      stream.read(0);
      if (length === state.length) break;
    }
    state.readingMore = false;
  });
}

Readable.prototype._read = function() { throw new ERR_METHOD_NOT_IMPLEMENTED('_read()'); };

Readable.prototype.pipe = function(dest, options) {
  const source = this;
  const state = this._readableState;
  state.pipes.push(dest);
  const ends = options?.end !== false && dest !== process.stdout && dest !== process.stderr;
  const end = ends ? () => dest.end() : unpipe;
  if (state.endEmitted) process.nextTick(end);
  else source.once('end', end);
  let drained;
  let over = false;
  function unpiped(readable, info) {
    if (readable === source && info && info.hasUnpiped === false) {
      info.hasUnpiped = true;
      cleanup();
    }
  }
  function cleanup() {
    over = true;
    dest.removeListener('close', closed);
    dest.removeListener('finish', finished);
    if (drained) dest.removeListener('drain', drained);
    dest.removeListener('error', failed);
    dest.removeListener('unpipe', unpiped);
    source.removeListener('end', end);
    source.removeListener('end', unpipe);
    source.removeListener('data', data);
    if (drained && state.awaitDrainWriters.size > 0 && (!dest._writableState || dest._writableState.needDrain)) drained();
  }
  function pause() {
    if (!over) {
      state.awaitDrainWriters.add(dest);
      source.pause();
    }
    if (!drained) {
      drained = () => {
        state.awaitDrainWriters.delete(dest);
        if (state.awaitDrainWriters.size === 0 && source.listenerCount('data') > 0) source.resume();
      };
      dest.on('drain', drained);
    }
  }
  function data(chunk) {
    try {
      if (dest.write(chunk) === false) pause();
    } catch (err) {
      dest.destroy(err);
    }
  }
  function failed(err) {
    unpipe();
    dest.removeListener('error', failed);
    if (dest.listenerCount('error') === 0) {
      const s = dest._writableState || dest._readableState;
      if (s && !s.errorEmitted) errorOrDestroy(dest, err);
      else dest.emit('error', err);
    }
  }
  function closed() {
    dest.removeListener('finish', finished);
    unpipe();
  }
  function finished() {
    dest.removeListener('close', closed);
    unpipe();
  }
  function unpipe() { source.unpipe(dest); }
  dest.on('unpipe', unpiped);
  source.on('data', data);
  prepend(dest, 'error', failed);
  dest.once('close', closed);
  dest.once('finish', finished);
  dest.emit('pipe', source);
  if (dest.writableNeedDrain === true) pause();
  else if (!state.flowing) source.resume();
  return dest;
};

Readable.prototype.unpipe = function(dest) {
  const state = this._readableState;
  if (state.pipes.length === 0) return this;
  if (!dest) {
    const dests = state.pipes;
    state.pipes = [];
    this.pause();
    for (const d of dests) d.emit('unpipe', this, { hasUnpiped: false });
    return this;
  }
  const at = state.pipes.indexOf(dest);
  if (at < 0) return this;
  state.pipes.splice(at, 1);
  if (state.pipes.length === 0) this.pause();
  dest.emit('unpipe', this, { hasUnpiped: false });
  return this;
};

Readable.prototype.on = function(name, listener) {
  const result = Stream.prototype.on.call(this, name, listener);
  const state = this._readableState;
  if (name === 'data') {
    state.readableListening = this.listenerCount('readable') > 0;
    if (state.flowing !== false) this.resume();
  } else if (name === 'readable' && !state.endEmitted && !state.readableListening) {
    state.readableListening = true;
    state.needReadable = true;
    state.flowing = false;
    state.emittedReadable = false;
    if (state.length) emitReadable(this);
    else if (!state.reading) process.nextTick(() => this.read(0));
  }
  return result;
};
Readable.prototype.addListener = Readable.prototype.on;

function updateListening(stream) {
  const state = stream._readableState;
  state.readableListening = stream.listenerCount('readable') > 0;
  if (state.resumeScheduled && state.explicit === false) state.flowing = true;
  else if (stream.listenerCount('data') > 0) stream.resume();
  else if (!state.readableListening) state.flowing = null;
}

Readable.prototype.removeListener = function(name, listener) {
  const result = Stream.prototype.removeListener.call(this, name, listener);
  if (name === 'readable') process.nextTick(updateListening, this);
  return result;
};
Readable.prototype.off = Readable.prototype.removeListener;

Readable.prototype.removeAllListeners = function(...args) {
  const result = Stream.prototype.removeAllListeners.apply(this, args);
  if (args.length === 0 || args[0] === undefined || args[0] === 'readable') process.nextTick(updateListening, this);
  return result;
};

Readable.prototype.resume = function() {
  const state = this._readableState;
  if (!state.flowing) {
    state.flowing = !state.readableListening;
    if (!state.resumeScheduled) {
      state.resumeScheduled = true;
      process.nextTick(() => {
        if (!state.reading) this.read(0);
        state.resumeScheduled = false;
        this.emit('resume');
        flow(this);
        if (state.flowing && !state.reading) this.read(0);
      });
    }
  }
  state.explicit = false;
  return this;
};

Readable.prototype.pause = function() {
  if (this._readableState.flowing !== false) {
    this._readableState.flowing = false;
    this.emit('pause');
  }
  this._readableState.explicit = true;
  return this;
};

function flow(stream) {
  const state = stream._readableState;
  while (state.flowing && stream.read() !== null);
}

// wrap makes a Readable of a stream in the old style.
Readable.prototype.wrap = function(stream) {
  let paused = false;
  stream.on('data', (chunk) => {
    if (!this.push(chunk) && stream.pause) {
      paused = true;
      stream.pause();
    }
  });
  stream.on('end', () => this.push(null));
  stream.on('error', (err) => errorOrDestroy(this, err));
  stream.on('close', () => destroyer(this));
  stream.on('destroy', () => destroyer(this));
  this._read = () => {
    if (paused && stream.resume) {
      paused = false;
      stream.resume();
    }
  };
  for (const key of Object.keys(stream)) {
    if (this[key] === undefined && typeof stream[key] === 'function') this[key] = stream[key].bind(stream);
  }
  return this;
};

Readable.prototype[Symbol.asyncIterator] = function() { return iteration.iterate(this, undefined, Readable); };
Readable.prototype.iterator = function(options) {
  if (options !== undefined && (options === null || typeof options !== 'object')) throw new ERR_INVALID_ARG_TYPE('options', 'Object', options);
  return iteration.iterate(this, options, Readable);
};

function state(f) {
  return { configurable: true, enumerable: false, get() { return this._readableState ? f(this._readableState, this) : undefined; } };
}

Object.defineProperties(Readable.prototype, {
  readable: {
    configurable: true,
    get() {
      const r = this._readableState;
      return Boolean(r) && r.readable !== false && !r.destroyed && !r.errorEmitted && !r.endEmitted;
    },
    set(value) { if (this._readableState) this._readableState.readable = Boolean(value); },
  },
  readableDidRead: state((r) => r.dataEmitted),
  readableAborted: state((r) => r.readable !== false && (r.destroyed || Boolean(r.errored)) && !r.endEmitted),
  readableHighWaterMark: state((r) => r.highWaterMark),
  readableBuffer: state((r) => r.buffer),
  readableFlowing: {
    configurable: true,
    get() { return this._readableState.flowing; },
    set(value) { if (this._readableState) this._readableState.flowing = value; },
  },
  readableLength: state((r) => r.length),
  readableObjectMode: state((r) => r.objectMode),
  readableEncoding: state((r) => r.encoding),
  readableEnded: state((r) => r.endEmitted),
  errored: state((r) => r.errored),
  closed: { configurable: true, get() { return Boolean(this._readableState?.closed); } },
  destroyed: {
    configurable: true,
    get() { return Boolean(this._readableState?.destroyed); },
    set(value) { if (this._readableState) this._readableState.destroyed = value; },
  },
});

function endReadable(stream) {
  const state = stream._readableState;
  if (state.endEmitted) return;
  state.ended = true;
  process.nextTick(() => {
    if (state.errored || state.closeEmitted || state.endEmitted || state.length !== 0) return;
    state.endEmitted = true;
    stream.emit('end');
    const w = stream._writableState;
    if (stream.writable && stream.allowHalfOpen === false) {
      process.nextTick(() => { if (stream.writable && !stream.writableEnded && !stream.destroyed) stream.end(); });
    } else if (state.autoDestroy && (!w || (w.autoDestroy && (w.finished || w.writable === false)))) {
      stream.destroy();
    }
  });
}

Readable.from = (items, options) => iteration.from(Readable, items, options);
Readable.wrap = (source, options) =>
  new Readable({
    objectMode: source.readableObjectMode ?? source.objectMode ?? true, ...options,
    destroy(err, callback) {
      destroyer(source, err);
      callback(err);
    },
  }).wrap(source);
Readable.isDisturbed = (stream) => Boolean(stream && (stream.readableDidRead || stream.readableAborted));

module.exports = { Readable };
