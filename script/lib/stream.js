'use strict';
// Streams. Nothing of the runtime's own but files and standard input is one; programs
// and packages that speak over UDP make theirs of messages.

const { Stream } = require('internal/streams/legacy');
const { Readable } = require('internal/streams/readable');
const { Writable } = require('internal/streams/writable');
const { Duplex, PassThrough, Transform } = require('internal/streams/duplex');
const { addAbortSignal, eos, finished, isReadable, isStream, isWritable } = require('internal/streams/end');
const { pipeline, run } = require('internal/streams/pipeline');
const { promising, streaming } = require('internal/streams/operators');
const { destroyer, getDefaultHighWaterMark, setDefaultHighWaterMark } = require('internal/streams/state');
const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

function define(target, name, value) {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}

for (const name of Object.keys(streaming)) {
  const f = streaming[name];
  define(Readable.prototype, name, function(...args) { return Readable.from(Reflect.apply(f, this, args)); });
}
for (const name of Object.keys(promising)) define(Readable.prototype, name, promising[name]);
for (const kind of [Readable, Writable, Duplex]) {
  for (const name of ['fromWeb', 'toWeb']) {
    define(kind, name, () => { throw new ERR_FEATURE_UNAVAILABLE(`stream.${kind.name}.${name}: the streams of browsers`); });
  }
}

const promises = {
  finished,
  pipeline(...streams) {
    return new Promise((resolve, reject) => {
      let options;
      const last = streams.at(-1);
      if (last && typeof last === 'object' && !isStream(last) && last[Symbol.iterator] === undefined && last[Symbol.asyncIterator] === undefined) {
        options = streams.pop();
      }
      let told = false;
      run(streams, (err, value) => {
        if (told) return;
        told = true;
        if (err) reject(err);
        else resolve(value);
      }, options);
    });
  },
};

Object.assign(Stream, {
  Stream, Readable, Writable, Duplex, Transform, PassThrough, addAbortSignal, destroy: destroyer, finished: eos, pipeline, promises,
  getDefaultHighWaterMark, setDefaultHighWaterMark, isReadable, isWritable,
  isErrored: (s) => Boolean(s && (s.readableErrored ?? s.writableErrored ?? s.errored)),
  isDestroyed: (s) => (isStream(s) ? Boolean(s.destroyed) : null),
  isDisturbed: Readable.isDisturbed,
  _isUint8Array: (v) => v instanceof Uint8Array,
  _uint8ArrayToBuffer: (v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength),
});
Object.defineProperty(pipeline, Symbol.for('nodejs.util.promisify.custom'), { value: promises.pipeline });
Object.defineProperty(eos, Symbol.for('nodejs.util.promisify.custom'), { value: finished });
module.exports = Stream;
