'use strict';
// What both sides of streams have in common: options, construction, errors, destruction.

const { AbortError, aggregateTwoErrors, codes: { ERR_INVALID_ARG_VALUE, ERR_MULTIPLE_CALLBACK, ERR_UNKNOWN_ENCODING } } = require('internal/errors');
const { Buffer } = require('buffer');
const { validateInteger } = require('internal/validators');

let bytes = 64 * 1024;
let objects = 16;

function getDefaultHighWaterMark(objectMode) { return objectMode ? objects : bytes; }

function setDefaultHighWaterMark(objectMode, value) {
  validateInteger(value, 'value', 0);
  if (objectMode) objects = value;
  else bytes = value;
}

// highWaterMark returns a side's: of a duplex stream each may have its own.
function highWaterMark(options, side, objectMode, isDuplex) {
  const name = options?.highWaterMark == null && isDuplex ? side : 'highWaterMark';
  const value = options?.[name];
  if (value == null) return getDefaultHighWaterMark(objectMode);
  if (!Number.isInteger(value) || value < 0) throw new ERR_INVALID_ARG_VALUE(`options.${name}`, value);
  return Math.floor(value);
}

// common are the fields that both sides have.
function common(state, options) {
  if (options?.defaultEncoding && !Buffer.isEncoding(options.defaultEncoding)) throw new ERR_UNKNOWN_ENCODING(options.defaultEncoding);
  Object.assign(state, {
    constructed: true, destroyed: false, errored: null, errorEmitted: false, closed: false, closeEmitted: false,
    emitClose: options?.emitClose !== false, autoDestroy: options?.autoDestroy !== false,
    defaultEncoding: options?.defaultEncoding || 'utf8',
  });
}

function sides(stream) { return [stream._readableState, stream._writableState].filter(Boolean); }

// construct calls a stream's _construct on the next tick; until that is done, nothing
// is read, written or destroyed.
function construct(stream, then) {
  if (typeof stream._construct !== 'function') return;
  for (const side of sides(stream)) side.constructed = false;
  stream.once('castnet:construct', then);
  if (stream.listenerCount('castnet:construct') > 1) return; // the other side has begun
  process.nextTick(() => {
    let called = false;
    const done = (err) => {
      if (called) {
        errorOrDestroy(stream, err ?? new ERR_MULTIPLE_CALLBACK());
        return;
      }
      called = true;
      for (const side of sides(stream)) side.constructed = true;
      if (sides(stream).some((side) => side.destroyed)) stream.emit('castnet:destroy', err);
      else if (err) errorOrDestroy(stream, err, true);
      else stream.emit('castnet:construct');
    };
    try {
      stream._construct((err) => process.nextTick(done, err));
    } catch (err) {
      process.nextTick(done, err);
    }
  });
}

function failed(err, r, w) {
  if (!err) return;
  if (w && !w.errored) w.errored = err;
  if (r && !r.errored) r.errored = err;
}

function destroy(err, callback) {
  const r = this._readableState;
  const w = this._writableState;
  const s = w ?? r;
  if (w?.destroyed || r?.destroyed) {
    if (typeof callback === 'function') callback();
    return this;
  }
  failed(err, r, w);
  if (w) w.destroyed = true;
  if (r) r.destroyed = true;
  if (s.constructed) reallyDestroy(this, err, callback);
  else this.once('castnet:destroy', (later) => reallyDestroy(this, aggregateTwoErrors(later, err), callback));
  return this;
}

function reallyDestroy(stream, err, callback) {
  const r = stream._readableState;
  const w = stream._writableState;
  let called = false;
  const done = (err) => {
    if (called) return;
    called = true;
    failed(err, r, w);
    if (w) w.closed = true;
    if (r) r.closed = true;
    if (typeof callback === 'function') callback(err);
    process.nextTick(() => {
      if (err) emitError(stream, err);
      emitClose(stream);
    });
  };
  try {
    stream._destroy(err || null, done);
  } catch (err) {
    done(err);
  }
}

function emitClose(stream) {
  const r = stream._readableState;
  const w = stream._writableState;
  if (w) w.closeEmitted = true;
  if (r) r.closeEmitted = true;
  if (w?.emitClose || r?.emitClose) stream.emit('close');
}

function emitError(stream, err) {
  const r = stream._readableState;
  const w = stream._writableState;
  if (w?.errorEmitted || r?.errorEmitted) return;
  if (w) w.errorEmitted = true;
  if (r) r.errorEmitted = true;
  stream.emit('error', err);
}

// errorOrDestroy ends a stream with an error; one that does not end by itself only
// tells it.
function errorOrDestroy(stream, err, sync) {
  const r = stream._readableState;
  const w = stream._writableState;
  if (w?.destroyed || r?.destroyed) return;
  if (r?.autoDestroy || w?.autoDestroy) {
    stream.destroy(err);
  } else if (err) {
    failed(err, r, w);
    if (sync) process.nextTick(emitError, stream, err);
    else emitError(stream, err);
  }
}

// undestroy makes a stream as it was before destroy.
function undestroy() {
  const r = this._readableState;
  const w = this._writableState;
  for (const s of [r, w]) {
    if (s) Object.assign(s, { constructed: true, closed: false, closeEmitted: false, destroyed: false, errored: null, errorEmitted: false });
  }
  if (r) Object.assign(r, { reading: false, ended: r.readable === false, endEmitted: r.readable === false });
  if (w) {
    Object.assign(w, {
      finalCalled: false, prefinished: false, ended: w.writable === false, ending: w.writable === false, finished: w.writable === false,
    });
  }
}

// destroyer destroys any kind of stream.
function destroyer(stream, err) {
  if (!stream || stream.destroyed) return;
  if (!err && !stream.writableFinished && !stream.readableEnded) err = new AbortError();
  if (typeof stream.setHeader === 'function' && typeof stream.abort === 'function') stream.abort();
  else if (typeof stream.destroy === 'function') stream.destroy(err);
  else if (typeof stream.close === 'function') stream.close();
}

module.exports = {
  common, construct, destroy, destroyer, errorOrDestroy, getDefaultHighWaterMark, highWaterMark, setDefaultHighWaterMark, undestroy,
};
