'use strict';
// pipeline: streams, and functions that make or take what can be iterated, in a row.

const { eos, isStream } = require('internal/streams/end');
const { Duplex, PassThrough } = require('internal/streams/duplex');
const { Readable } = require('internal/streams/readable');
const { destroyer } = require('internal/streams/state');
const {
  AbortError, aggregateTwoErrors,
  codes: { ERR_INVALID_ARG_TYPE, ERR_INVALID_RETURN_VALUE, ERR_MISSING_ARGS, ERR_STREAM_DESTROYED },
} = require('internal/errors');
const { validateAbortSignal, validateFunction } = require('internal/validators');

const isIterable = (x) => typeof x?.[Symbol.asyncIterator] === 'function' || typeof x?.[Symbol.iterator] === 'function';
const isReadableSide = (s) => isStream(s) && typeof s.pipe === 'function' && (s._readableState !== undefined || s.readable !== undefined);

// pump writes what is iterated into a stream.
async function pump(items, stream, end, done) {
  let error;
  let wake = null;
  const go = (err) => {
    if (err) error = err;
    wake?.();
    wake = null;
  };
  const wait = () => new Promise((resolve, reject) => {
    if (error) reject(error);
    else wake = () => (error ? reject(error) : resolve());
  });
  stream.on('drain', go);
  const cleanup = eos(stream, { readable: false }, go);
  try {
    if (stream.writableNeedDrain) await wait();
    for await (const chunk of items) {
      if (!stream.write(chunk)) await wait();
    }
    if (end) {
      stream.end();
      await wait();
    }
    done();
  } catch (err) {
    done(error !== err ? aggregateTwoErrors(error, err) : err);
  } finally {
    cleanup();
    stream.off('drain', go);
  }
}

function pipeline(...streams) {
  const callback = streams.pop();
  validateFunction(callback, 'streams[stream.length - 1]');
  let told = false;
  return run(streams, (err, value) => {
    if (told) return;
    told = true;
    callback(err, value);
  });
}

function run(streams, callback, options) {
  if (streams.length === 1 && Array.isArray(streams[0])) [streams] = streams;
  if (streams.length < 2) throw new ERR_MISSING_ARGS('streams');
  const stopper = new AbortController();
  const { signal } = stopper;
  const outer = options?.signal;
  validateAbortSignal(outer, 'options.signal');
  let error;
  let value;
  const destroys = [];
  const cleanups = []; // of the last stream, if it can be read on
  let pending = 0;
  const abort = () => finishAll(new AbortError(undefined, { cause: outer?.reason }));
  if (outer) outer.addEventListener('abort', abort, { once: true });

  function finishAll(err, last) {
    if (err && (!error || error.code === 'ERR_STREAM_PREMATURE_CLOSE')) error = err;
    if (!error && !last) return;
    while (destroys.length > 0) destroys.shift()(error);
    outer?.removeEventListener('abort', abort);
    stopper.abort();
    if (!last) return;
    if (!error) for (const cleanup of cleanups) cleanup();
    process.nextTick(callback, error, value);
  }
  function finish(err) {
    finishAll(err, --pending === 0);
  }
  // watch destroys a stream when another fails, and hears when it is over.
  function watch(stream, reading, writing) {
    let over = false;
    pending++;
    const cleanup = eos(stream, { readable: reading, writable: writing }, (err) => {
      over = !err;
      if (err?.code === 'ERR_STREAM_PREMATURE_CLOSE' && reading && stream._readableState?.ended && !stream._readableState.errored && !stream._readableState.errorEmitted) {
        // It has given all it had, whatever became of its other side.
        stream.once('end', () => finish()).once('error', finish);
        return;
      }
      finish(err);
    });
    destroys.push((err) => {
      if (over) return;
      over = true;
      if (stream.listenerCount?.('error') <= 1) stream.on('error', () => {});
      destroyer(stream, err || new ERR_STREAM_DESTROYED('pipe'));
    });
    return cleanup;
  }

  let result;
  for (let i = 0; i < streams.length; i++) {
    const stream = streams[i];
    const isFirst = i === 0;
    const isLast = i === streams.length - 1;
    const ends = !isLast || options?.end !== false;
    if (isStream(stream) && ends) {
      const cleanup = watch(stream, !isLast, !isFirst);
      if (isLast && stream.readable) cleanups.push(cleanup);
    }

    if (isStream(stream) && !ends) stream.on('error', (err) => { if (err.name !== 'AbortError' && err.code !== 'ERR_STREAM_PREMATURE_CLOSE') finishAll(err); });

    if (isFirst) {
      if (typeof stream === 'function') {
        result = stream({ signal });
        if (!isIterable(result)) throw new ERR_INVALID_RETURN_VALUE('Iterable, AsyncIterable or Stream', 'source', result);
      } else if (isIterable(stream) || isReadableSide(stream)) {
        result = stream;
      } else {
        result = Duplex.from(stream);
      }
    } else if (typeof stream === 'function') {
      const input = isIterable(result) ? result : Readable.wrap(result);
      result = stream(input, { signal });
      if (isLast) {
        if (typeof result?.then !== 'function' && !isIterable(result)) throw new ERR_INVALID_RETURN_VALUE('AsyncIterable or Promise', 'destination', result);
        const through = new PassThrough({ objectMode: true });
        pending++;
        if (typeof result?.then === 'function') {
          result.then((v) => {
            value = v;
            if (v != null) through.write(v);
            through.end();
            process.nextTick(finish);
          }, (err) => {
            through.destroy(err);
            process.nextTick(finish, err);
          });
        } else {
          pump(result, through, true, finish);
        }
        result = through;
        cleanups.push(watch(through, false, true));
      } else if (!isIterable(result)) {
        throw new ERR_INVALID_RETURN_VALUE('AsyncIterable', `transform[${i - 1}]`, result);
      }
    } else if (isStream(stream)) {
      if (isReadableSide(result)) {
        connect(result, stream, ends);
      } else if (isIterable(result)) {
        pending++;
        pump(result, stream, ends, finish);
      } else {
        throw new ERR_INVALID_ARG_TYPE('val', ['Readable', 'Iterable', 'AsyncIterable'], result);
      }
      result = stream;
    } else {
      result = Duplex.from(stream);
    }
  }
  if (signal.aborted || outer?.aborted) process.nextTick(abort);
  return result;
}

// connect pipes one stream into the next. Who watches them hears when they are over.
function connect(from, to, ends) {
  from.pipe(to, { end: false });
  if (!ends) return;
  const end = () => to.end();
  if (from.readableEnded) process.nextTick(end);
  else from.once('end', end);
}

module.exports = { pipeline, run };
