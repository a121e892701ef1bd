'use strict';
// Writable streams: one write at a time, the rest in a queue.

const { Stream } = require('internal/streams/legacy');
const { common, construct, destroy, errorOrDestroy, highWaterMark, undestroy } = require('internal/streams/state');
const { Buffer } = require('buffer');
const {
  AbortError,
  codes: {
    ERR_INVALID_ARG_TYPE, ERR_METHOD_NOT_IMPLEMENTED, ERR_MULTIPLE_CALLBACK, ERR_STREAM_ALREADY_FINISHED, ERR_STREAM_CANNOT_PIPE,
    ERR_STREAM_DESTROYED, ERR_STREAM_NULL_VALUES, ERR_STREAM_WRITE_AFTER_END, ERR_UNKNOWN_ENCODING,
  },
} = require('internal/errors');

const nop = () => {};

function WritableState(options, stream, isDuplex) {
  this.objectMode = Boolean(options?.objectMode || (isDuplex && options?.writableObjectMode));
  this.highWaterMark = highWaterMark(options, 'writableHighWaterMark', this.objectMode, isDuplex);
  common(this, options);
  this.decodeStrings = options?.decodeStrings !== false;
  this.finalCalled = false;
  this.needDrain = false;
  this.ending = false;
  this.ended = false;
  this.prefinished = false;
  this.finished = false;
  this.length = 0;
  this.writing = false;
  this.corked = 0;
  this.sync = true;
  this.bufferProcessing = false;
  this.onwrite = (err) => onwrite(stream, err);
  this.writecb = null;
  this.writelen = 0;
  this.afterWriteTick = null;
  this.buffered = [];
  this.at = 0; // the first of buffered
  this.pendingcb = 0;
  this.waiting = []; // callbacks of end
}
WritableState.prototype.getBuffer = function getBuffer() { return this.buffered.slice(this.at); };
Object.defineProperty(WritableState.prototype, 'bufferedRequestCount', { get() { return this.buffered.length - this.at; } });

function Writable(options) {
  const isDuplex = this instanceof require('internal/streams/duplex').Duplex;
  if (!isDuplex && !Function.prototype[Symbol.hasInstance].call(Writable, this)) return new Writable(options);
  this._writableState ??= new WritableState(options, this, isDuplex);
  if (options) {
    for (const name of ['write', 'writev', 'destroy', 'final', 'construct']) {
      if (typeof options[name] === 'function') this[`_${name}`] = options[name];
    }
    if (options.signal) require('internal/streams/end').addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  construct(this, () => {
    const state = this._writableState;
    if (!state.writing) clearBuffer(this, state);
    finishMaybe(this, state);
  });
}
Object.setPrototypeOf(Writable.prototype, Stream.prototype);
Object.setPrototypeOf(Writable, Stream);
Writable.WritableState = WritableState;

// Duplex streams are Writable too, though they inherit Readable.
Object.defineProperty(Writable, Symbol.hasInstance, {
  value(object) {
    if (Function.prototype[Symbol.hasInstance].call(this, object)) return true;
    return this === Writable && Boolean(object) && object._writableState instanceof WritableState;
  },
});

Writable.prototype.pipe = function pipe() { errorOrDestroy(this, new ERR_STREAM_CANNOT_PIPE()); };

function write(stream, chunk, encoding, callback) {
  const state = stream._writableState;
  if (typeof encoding === 'function') {
    callback = encoding;
    encoding = state.defaultEncoding;
  } else {
    if (!encoding) encoding = state.objectMode && typeof chunk !== 'string' ? undefined : state.defaultEncoding;
    else if (encoding !== 'buffer' && !Buffer.isEncoding(encoding)) throw new ERR_UNKNOWN_ENCODING(encoding);
    if (typeof callback !== 'function') callback = nop;
  }
  if (chunk === null) throw new ERR_STREAM_NULL_VALUES();
  if (!state.objectMode) {
    if (typeof chunk === 'string') {
      if (state.decodeStrings) {
        chunk = Buffer.from(chunk, encoding);
        encoding = 'buffer';
      }
    } else if (chunk instanceof Buffer) {
      encoding = 'buffer';
    } else if (ArrayBuffer.isView(chunk)) {
      chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      encoding = 'buffer';
    } else {
      throw new ERR_INVALID_ARG_TYPE('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
    }
  }
  let err;
  if (state.ending) err = new ERR_STREAM_WRITE_AFTER_END();
  else if (state.destroyed) err = new ERR_STREAM_DESTROYED('write');
  if (err) {
    process.nextTick(callback, err);
    errorOrDestroy(stream, err, true);
    return err;
  }
  state.pendingcb++;
  const length = state.objectMode ? 1 : chunk.length;
  state.length += length;
  const room = state.length < state.highWaterMark;
  if (!room) state.needDrain = true;
  if (state.writing || state.corked || state.errored || !state.constructed) {
    state.buffered.push({ chunk, encoding, callback });
  } else {
    begin(state, length, callback);
    stream._write(chunk, encoding, state.onwrite);
    state.sync = false;
  }
  return room && !state.errored && !state.destroyed;
}

function begin(state, length, callback) {
  state.writelen = length;
  state.writecb = callback;
  state.writing = true;
  state.sync = true;
}

Writable.prototype.write = function(chunk, encoding, callback) {
  return write(this, chunk, encoding, callback) === true;
};

Writable.prototype.cork = function() { this._writableState.corked++; };

Writable.prototype.uncork = function() {
  const state = this._writableState;
  if (state.corked > 0) {
    state.corked--;
    if (!state.writing) clearBuffer(this, state);
  }
};

Writable.prototype.setDefaultEncoding = function setDefaultEncoding(encoding) {
  if (typeof encoding === 'string') encoding = encoding.toLowerCase();
  if (!Buffer.isEncoding(encoding)) throw new ERR_UNKNOWN_ENCODING(encoding);
  this._writableState.defaultEncoding = encoding;
  return this;
};

Writable.prototype._write = function(chunk, encoding, callback) {
  if (!this._writev) throw new ERR_METHOD_NOT_IMPLEMENTED('_write()');
  this._writev([{ chunk, encoding }], callback);
};
Writable.prototype._writev = null;

function onwrite(stream, err) {
  const state = stream._writableState;
  const { sync, writecb: callback } = state;
  if (typeof callback !== 'function') {
    errorOrDestroy(stream, new ERR_MULTIPLE_CALLBACK());
    return;
  }
  state.writing = false;
  state.writecb = null;
  state.length -= state.writelen;
  state.writelen = 0;
  if (err) {
    state.errored ??= err;
    if (stream._readableState) stream._readableState.errored ??= err;
    if (sync) process.nextTick(onwriteError, stream, state, err, callback);
    else onwriteError(stream, state, err, callback);
    return;
  }
  if (state.buffered.length > state.at) clearBuffer(stream, state);
  if (!sync) {
    afterWrite(stream, state, 1, callback);
  } else if (state.afterWriteTick !== null && state.afterWriteTick.callback === callback) {
    state.afterWriteTick.count++; // many writes without callbacks, one tick
  } else {
    const tick = { count: 1, callback };
    state.afterWriteTick = tick;
    process.nextTick(() => {
      if (state.afterWriteTick === tick) state.afterWriteTick = null;
      afterWrite(stream, state, tick.count, callback);
    });
  }
}

function onwriteError(stream, state, err, callback) {
  state.pendingcb--;
  callback(err);
  fail(state);
  errorOrDestroy(stream, err);
}

function afterWrite(stream, state, count, callback) {
  if (!state.ending && !stream.destroyed && state.length === 0 && state.needDrain) {
    state.needDrain = false;
    stream.emit('drain');
  }
  while (count-- > 0) {
    state.pendingcb--;
    callback(null);
  }
  if (state.destroyed) fail(state);
  finishMaybe(stream, state);
}

// fail tells those whose writes are still in the queue that they will never be done.
function fail(state) {
  if (state.writing) return;
  for (; state.at < state.buffered.length; state.at++) {
    const { chunk, callback } = state.buffered[state.at];
    state.length -= state.objectMode ? 1 : chunk.length;
    callback(state.errored ?? new ERR_STREAM_DESTROYED('write'));
  }
  state.buffered = [];
  state.at = 0;
  for (const callback of state.waiting.splice(0)) callback(state.errored ?? new ERR_STREAM_DESTROYED('end'));
}

function clearBuffer(stream, state) {
  if (state.corked || state.bufferProcessing || state.destroyed || !state.constructed) return;
  const left = state.buffered.length - state.at;
  if (left === 0) return;
  state.bufferProcessing = true;
  if (left > 1 && stream._writev) {
    state.pendingcb -= left - 1;
    const chunks = state.buffered.slice(state.at);
    state.buffered = [];
    state.at = 0;
    begin(state, state.length, (err) => {
      for (const { callback } of chunks) callback(err);
    });
    chunks.allBuffers = chunks.every((c) => c.encoding === 'buffer');
    stream._writev(chunks, state.onwrite);
    state.sync = false;
  } else {
    do {
      const { chunk, encoding, callback } = state.buffered[state.at];
      state.buffered[state.at++] = null;
      begin(state, state.objectMode ? 1 : chunk.length, callback);
      stream._write(chunk, encoding, state.onwrite);
      state.sync = false;
    } while (state.at < state.buffered.length && !state.writing);
    if (state.at === state.buffered.length) {
      state.buffered = [];
      state.at = 0;
    } else if (state.at > 256) {
      state.buffered = state.buffered.slice(state.at);
      state.at = 0;
    }
  }
  state.bufferProcessing = false;
}

Writable.prototype.end = function(chunk, encoding, callback) {
  const state = this._writableState;
  if (typeof chunk === 'function') [chunk, encoding, callback] = [null, null, chunk];
  else if (typeof encoding === 'function') [encoding, callback] = [null, encoding];
  let err;
  if (chunk !== null && chunk !== undefined) {
    const result = write(this, chunk, encoding);
    if (result instanceof Error) err = result;
  }
  if (state.corked) {
    state.corked = 1;
    this.uncork();
  }
  if (!err) {
    if (!state.errored && !state.ending) {
      state.ending = true;
      finishMaybe(this, state, true);
      state.ended = true;
    } else if (state.finished) {
      err = new ERR_STREAM_ALREADY_FINISHED('end');
    } else if (state.destroyed) {
      err = new ERR_STREAM_DESTROYED('end');
    }
  }
  if (typeof callback === 'function') {
    if (err) process.nextTick(callback, err);
    else if (state.finished) process.nextTick(callback, null);
    else state.waiting.push(callback);
  }
  return this;
};

function needFinish(state) {
  return state.ending && !state.destroyed && state.constructed && state.length === 0 && !state.errored &&
    state.buffered.length === 0 && !state.finished && !state.writing && !state.errorEmitted && !state.closeEmitted;
}

function prefinish(stream, state) {
  if (state.prefinished || state.finalCalled) return;
  if (typeof stream._final !== 'function' || state.destroyed) {
    state.prefinished = true;
    stream.emit('prefinish');
    return;
  }
  state.finalCalled = true;
  state.sync = true;
  state.pendingcb++;
  let called = false;
  const done = (err) => {
    if (called) {
      errorOrDestroy(stream, err ?? new ERR_MULTIPLE_CALLBACK());
      return;
    }
    called = true;
    state.pendingcb--;
    if (err) {
      for (const callback of state.waiting.splice(0)) callback(err);
      errorOrDestroy(stream, err, state.sync);
    } else if (needFinish(state)) {
      state.prefinished = true;
      stream.emit('prefinish');
      state.pendingcb++;
      process.nextTick(finish, stream, state);
    }
  };
  try {
    stream._final(done);
  } catch (err) {
    done(err);
  }
  state.sync = false;
}

function finishMaybe(stream, state, sync) {
  if (!needFinish(state)) return;
  prefinish(stream, state);
  if (state.pendingcb !== 0) return;
  if (sync) {
    state.pendingcb++;
    process.nextTick(() => {
      if (needFinish(state)) finish(stream, state);
      else state.pendingcb--;
    });
  } else if (needFinish(state)) {
    state.pendingcb++;
    finish(stream, state);
  }
}

function finish(stream, state) {
  state.pendingcb--;
  state.finished = true;
  for (const callback of state.waiting.splice(0)) callback(null);
  stream.emit('finish');
  if (state.autoDestroy) {
    const r = stream._readableState;
    if (!r || (r.autoDestroy && (r.endEmitted || r.readable === false))) stream.destroy();
  }
}

function state(f) {
  return { configurable: true, enumerable: false, get() { return this._writableState ? f(this._writableState, this) : undefined; } };
}

Object.defineProperties(Writable.prototype, {
  closed: { configurable: true, get() { return Boolean(this._writableState?.closed); } },
  destroyed: {
    configurable: true,
    get() { return Boolean(this._writableState?.destroyed); },
    set(value) { if (this._writableState) this._writableState.destroyed = value; },
  },
  writable: {
    configurable: true,
    get() {
      const w = this._writableState;
      return Boolean(w) && w.writable !== false && !w.destroyed && !w.errored && !w.ending && !w.ended;
    },
    set(value) { if (this._writableState) this._writableState.writable = Boolean(value); },
  },
  writableFinished: state((w) => w.finished),
  writableObjectMode: state((w) => w.objectMode),
  writableBuffer: state((w) => w.getBuffer()),
  writableEnded: state((w) => w.ending),
  writableNeedDrain: state((w) => !w.destroyed && !w.ending && w.needDrain),
  writableHighWaterMark: state((w) => w.highWaterMark),
  writableCorked: state((w) => w.corked),
  writableLength: state((w) => w.length),
  errored: state((w) => w.errored),
  writableAborted: state((w) => w.writable !== false && (w.destroyed || Boolean(w.errored)) && !w.finished),
});

Writable.prototype.destroy = function(err, callback) {
  const w = this._writableState;
  if (!w.destroyed && (w.buffered.length > w.at || w.waiting.length > 0)) process.nextTick(fail, w);
  destroy.call(this, err, callback);
  return this;
};
Writable.prototype._undestroy = undestroy;
Writable.prototype._destroy = function(err, callback) { callback(err); };
Writable.prototype[Symbol.for('nodejs.rejection')] = function(err) { this.destroy(err); };
Writable.prototype[Symbol.asyncDispose] = async function() {
  let err;
  if (!this.destroyed) {
    err = this.writableFinished ? null : new AbortError();
    this.destroy(err);
  }
  await new Promise((resolve, reject) => require('internal/streams/end').eos(this, (e) => (e && e !== err ? reject(e) : resolve())));
};

module.exports = { Writable };
