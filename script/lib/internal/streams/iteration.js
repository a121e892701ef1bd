'use strict';
// Readable streams as asynchronous iterators, and of them.

const { destroyer } = require('internal/streams/state');
const { codes: { ERR_INVALID_ARG_TYPE, ERR_STREAM_NULL_VALUES } } = require('internal/errors');

// iterate reads a stream as an asynchronous iterator.
function iterate(stream, options, Readable) {
  if (typeof stream.read !== 'function') stream = new Readable({ objectMode: true }).wrap(stream);
  let wake = () => {};
  let error;
  let started = false;
  let over = false;
  let forget = () => {};
  const next = function() { if (this === stream || this === undefined) wake(); };
  const start = () => {
    started = true;
    stream.on('readable', next);
    forget = require('internal/streams/end').eos(stream, { writable: false }, (err) => {
      error = err ?? null;
      wake();
    });
  };
  const leave = () => {
    if (over) return;
    over = true;
    if (!started) {
      if (options?.destroyOnReturn !== false) stream.destroy();
      return;
    }
    if ((error || options?.destroyOnReturn !== false) && (error === undefined || stream._readableState.autoDestroy)) destroyer(stream, null);
    else {
      stream.off('readable', next);
      forget();
    }
  };
  let last = Promise.resolve();
  const step = async () => {
    if (over) return { value: undefined, done: true };
    if (!started) start();
    for (;;) {
      const chunk = stream.destroyed ? null : stream.read();
      if (chunk !== null) return { value: chunk, done: false };
      if (error) {
        const err = error;
        leave();
        throw err;
      }
      if (error === null) {
        leave();
        return { value: undefined, done: true };
      }
      await new Promise((resolve) => { wake = resolve; });
    }
  };
  const queued = (f) => {
    const result = last.then(f, f);
    last = result.catch(() => {});
    return result;
  };
  return {
    next: () => queued(step),
    return: (value) => queued(() => {
      leave();
      return { value, done: true };
    }),
    throw: (err) => queued(() => {
      leave();
      throw err;
    }),
    stream,
    [Symbol.asyncIterator]() { return this; },
    [Symbol.asyncDispose]() { return this.return(); },
  };
}

// from makes a stream of whatever can be iterated.
function from(Readable, items, options) {
  if (typeof items === 'string' || items instanceof Uint8Array) {
    return new Readable({
      objectMode: true, ...options,
      read() {
        this.push(items);
        this.push(null);
      },
    });
  }
  const iterator = items?.[Symbol.asyncIterator]?.() ?? items?.[Symbol.iterator]?.();
  if (iterator === undefined) throw new ERR_INVALID_ARG_TYPE('iterable', ['Iterable'], items);
  const readable = new Readable({ objectMode: true, highWaterMark: 1, ...options });
  let reading = false;
  readable._read = async function() {
    if (reading) return;
    reading = true;
    try {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) {
          readable.push(null);
          return;
        }
        const chunk = await value;
        if (chunk === null) throw new ERR_STREAM_NULL_VALUES();
        if (!readable.push(chunk)) break;
      }
      reading = false;
    } catch (err) {
      readable.destroy(err);
    }
  };
  readable._destroy = (err, callback) => {
    (async () => {
      if (err && typeof iterator.throw === 'function') {
        const { value, done } = await iterator.throw(err);
        await value;
        if (done) return;
      }
      if (typeof iterator.return === 'function') await (await iterator.return()).value;
    })().then(() => process.nextTick(callback, err), (e) => process.nextTick(callback, e || err));
  };
  return readable;
}

module.exports = { from, iterate };
