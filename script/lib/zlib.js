'use strict';
// zlib: deflate and gzip. A stream holds what it is given until its end, so that it
// is for what is not large.

const binding = internalBinding('zlib');
const { Buffer } = require('buffer');
const { codes: { ERR_BUFFER_TOO_LARGE, ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ARG_TYPE } } = require('internal/errors');
const { validateFunction, validateUint32 } = require('internal/validators');

const constants = {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2,
  Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6, Z_NO_COMPRESSION: 0,
  Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3, Z_FIXED: 4,
  Z_DEFAULT_STRATEGY: 0, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5, INFLATERAW: 6, UNZIP: 7, Z_MIN_WINDOWBITS: 8,
  Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384, Z_MIN_MEMLEVEL: 1,
  Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1,
};

// errors are what can be wrong with compressed data, by what Go calls it.
function failure(word, format) {
  let [message, code] = ['invalid data', 'Z_DATA_ERROR'];
  if (word === 'short') [message, code] = ['unexpected end of file', 'Z_BUF_ERROR'];
  else if (word === 'method') message = 'incorrect header check';
  else if (/checksum/.test(word)) message = 'incorrect data check';
  else if (/dictionary/.test(word)) [message, code] = ['Missing dictionary', 'Z_NEED_DICT'];
  else if (format === 'deflateRaw') message = 'invalid stored block lengths';
  return Object.assign(new Error(message), { errno: constants[code], code });
}

function bytes(data) {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) throw new ERR_INVALID_ARG_TYPE('buffer', ['string', 'Buffer', 'TypedArray', 'DataView', 'ArrayBuffer'], data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const dictionary = (options) => (options?.dictionary === undefined ? undefined : bytes(options.dictionary));

function compress(format) {
  return (data, options) => Buffer.from(binding.compress(format, bytes(data), dictionary(options), options?.level ?? -1));
}

function decompress(format) {
  return (data, options) => {
    data = bytes(data);
    const of = format !== 'unzip' ? format : data[0] === 0x1f && data[1] === 0x8b ? 'gzip' : 'deflate';
    const out = binding.decompress(of, data, dictionary(options), options?.maxOutputLength ?? 0);
    if (typeof out !== 'string') return Buffer.from(out);
    if (out === 'large') throw new ERR_BUFFER_TOO_LARGE(options?.maxOutputLength ?? 2 ** 28);
    throw failure(out, of);
  };
}

const ways = {
  Deflate: compress('deflate'), Inflate: decompress('deflate'), Gzip: compress('gzip'), Gunzip: decompress('gzip'),
  DeflateRaw: compress('deflateRaw'), InflateRaw: decompress('deflateRaw'), Unzip: decompress('unzip'),
};

// streamOf is the class of streams of one of the ways.
function streamOf(name, way) {
  const { Transform } = require('stream');
  const made = {
    [name]: function(options) {
      if (!(this instanceof made)) return new made(options);
      const parts = [];
      Transform.call(this, {
        ...options,
        transform(chunk, encoding, callback) {
          parts.push(chunk);
          callback();
        },
        flush(callback) {
          try {
            callback(null, way(Buffer.concat(parts), options));
          } catch (err) {
            callback(err);
          }
        },
      });
      this.bytesWritten = 0;
    },
  }[name];
  Object.setPrototypeOf(made.prototype, Transform.prototype);
  Object.setPrototypeOf(made, Transform);
  made.prototype.flush = function(kind, callback = kind) { if (typeof callback === 'function') process.nextTick(callback); };
  made.prototype.close = function(callback) {
    if (typeof callback === 'function') this.once('close', callback);
    this.destroy();
  };
  return made;
}

const zlib = {
  constants, codes: Object.fromEntries(['Z_OK', 'Z_STREAM_END', 'Z_NEED_DICT', 'Z_ERRNO', 'Z_STREAM_ERROR', 'Z_DATA_ERROR', 'Z_MEM_ERROR',
    'Z_BUF_ERROR', 'Z_VERSION_ERROR'].flatMap((name) => [[name, constants[name]], [constants[name], name]])),
  crc32(data, value = 0) {
    validateUint32(value, 'value');
    return binding.crc32(bytes(data), value);
  },
};
Object.assign(zlib, constants);
for (const name of Object.keys(ways)) {
  const method = name[0].toLowerCase() + name.slice(1);
  zlib[`${method}Sync`] = ways[name];
  zlib[method] = (data, options, callback = options) => {
    validateFunction(callback, 'callback');
    data = bytes(data);
    setImmediate(() => {
      let out;
      try {
        out = ways[name](data, typeof options === 'object' ? options : undefined);
      } catch (err) {
        callback(err);
        return;
      }
      callback(null, out);
    });
  };
  let made;
  const get = () => (made ??= streamOf(name, ways[name]));
  Object.defineProperty(zlib, name, { enumerable: true, configurable: true, get });
  zlib[`create${name}`] = (options) => new (get())(options);
}
for (const name of ['brotliCompress', 'brotliDecompress', 'zstdCompress', 'zstdDecompress']) {
  for (const form of [name, `${name}Sync`, `create${name[0].toUpperCase()}${name.slice(1)}`]) {
    zlib[form] = () => { throw new ERR_FEATURE_UNAVAILABLE(`zlib.${form}`); };
  }
}
module.exports = zlib;
