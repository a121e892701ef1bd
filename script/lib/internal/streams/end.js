'use strict';
// finished: when a stream is over, and how. addAbortSignal.

const { AbortError, codes: { ERR_INVALID_ARG_TYPE, ERR_STREAM_PREMATURE_CLOSE } } = require('internal/errors');
const { destroyer } = require('internal/streams/state');
const { validateAbortSignal, validateBoolean, validateFunction, validateObject } = require('internal/validators');

const nop = () => {};

function isReadable(s) {
  if (s?.readable == null && !s?._readableState) return null;
  return Boolean(s.readable) && !s.destroyed && !s.readableEnded && !s.readableErrored;
}
function isWritable(s) {
  if (s?.writable == null && !s?._writableState) return null;
  return Boolean(s.writable) && !s.destroyed && !s.writableEnded;
}
function hasReadable(s) { return Boolean(s && (s._readableState || (typeof s.read === 'function' || s.readable) && typeof s.on === 'function' && !s._writableState)); }
function hasWritable(s) { return Boolean(s && (s._writableState || (typeof s.write === 'function' && typeof s.on === 'function'))); }
function isStream(s) { return Boolean(s && (s._readableState || s._writableState || (typeof s.write === 'function' && typeof s.on === 'function') || (typeof s.pipe === 'function' && typeof s.on === 'function'))); }

// eos calls back once when a stream has ended, failed or closed too soon, and returns
// what forgets that.
function eos(stream, options, callback) {
  if (typeof options === 'function') [options, callback] = [{}, options];
  options ??= {};
  validateObject(options, 'options');
  validateFunction(callback, 'callback');
  validateAbortSignal(options.signal, 'options.signal');
  if (!isStream(stream)) throw new ERR_INVALID_ARG_TYPE('stream', ['Stream'], stream);
  const r = stream._readableState;
  const w = stream._writableState;
  const readable = options.readable ?? (r ? r.readable !== false : hasReadable(stream));
  const writable = options.writable ?? (w ? w.writable !== false : hasWritable(stream) && stream.writable !== false);
  // Streams of our own kind close after they have ended.
  const closes = Boolean((r?.autoDestroy || w?.autoDestroy) && (r ?? w).emitClose && (!r || !w || (r.autoDestroy && w.autoDestroy))) &&
    Boolean(w ? writable : true) === Boolean(w) && Boolean(r ? readable : true) === Boolean(r);
  let called = false;
  const done = (err) => {
    if (called) return;
    called = true;
    if (err) callback.call(stream, err);
    else callback.call(stream);
  };
  let finished = Boolean(w ? w.finished : stream.writableFinished);
  let ended = Boolean(r ? r.endEmitted : stream.readableEnded);
  const onfinish = () => {
    finished = true;
    if (stream.destroyed && closes) return;
    if (closes && (!stream.writable || readable)) return;
    if (!readable || ended) done();
  };
  const onend = () => {
    ended = true;
    if (stream.destroyed && closes) return;
    if (closes && (!stream.readable || writable)) return;
    if (!writable || finished) done();
  };
  const onerror = (err) => done(err);
  const onclose = () => {
    const errored = w?.errored || r?.errored;
    if (errored && typeof errored !== 'boolean') {
      done(errored);
      return;
    }
    if (readable && !ended && hasReadable(stream) && !(r ? r.endEmitted : false)) done(new ERR_STREAM_PREMATURE_CLOSE());
    else if (writable && !finished && !(w ? w.finished : false)) done(new ERR_STREAM_PREMATURE_CLOSE());
    else done();
  };
  stream.on('end', onend);
  stream.on('finish', onfinish);
  if (options.error !== false) stream.on('error', onerror);
  stream.on('close', onclose);
  if (stream.closed || r?.closeEmitted || w?.closeEmitted) process.nextTick(onclose);
  else if (w?.errorEmitted || r?.errorEmitted) { if (!closes) process.nextTick(onclose); }
  else if (!readable && (!closes || stream.readable) && (finished || stream.writable === false)) process.nextTick(onclose);
  else if (!writable && (!closes || stream.writable) && (ended || stream.readable === false)) process.nextTick(onclose);
  const cleanup = () => {
    callback = nop;
    stream.removeListener('end', onend);
    stream.removeListener('finish', onfinish);
    stream.removeListener('error', onerror);
    stream.removeListener('close', onclose);
  };
  const { signal } = options;
  if (signal) {
    const abort = () => {
      const told = callback;
      cleanup();
      told.call(stream, new AbortError(undefined, { cause: signal.reason }));
    };
    if (signal.aborted) {
      process.nextTick(abort);
    } else {
      signal.addEventListener('abort', abort, { once: true });
      const original = callback;
      callback = function(...args) {
        signal.removeEventListener('abort', abort);
        original.apply(stream, args);
      };
    }
  }
  return cleanup;
}

function finished(stream, options) {
  const cleans = options?.cleanup ?? false;
  if (options?.cleanup !== undefined) validateBoolean(options.cleanup, 'cleanup');
  return new Promise((resolve, reject) => {
    const cleanup = eos(stream, options, (err) => {
      if (cleans) cleanup();
      if (err) reject(err);
      else resolve();
    });
  });
}

// addAbortSignal destroys a stream when a signal is aborted.
function addAbortSignal(signal, stream) {
  if (typeof signal !== 'object' || !('aborted' in signal)) throw new ERR_INVALID_ARG_TYPE('signal', 'AbortSignal', signal);
  if (!isStream(stream)) throw new ERR_INVALID_ARG_TYPE('stream', ['ReadableStream', 'WritableStream', 'Stream'], stream);
  const abort = () => stream.destroy(new AbortError(undefined, { cause: signal.reason }));
  if (signal.aborted) {
    abort();
  } else {
    signal.addEventListener('abort', abort, { once: true });
    eos(stream, () => signal.removeEventListener('abort', abort));
  }
  return stream;
}

module.exports = { addAbortSignal, destroyer, eos, finished, isReadable, isStream, isWritable };
