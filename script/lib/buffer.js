'use strict';
// Buffer: a Uint8Array with Node's methods. Text is encoded and decoded in Go.

const binding = internalBinding('buffer');
const {
  ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_BUFFER_SIZE, ERR_OUT_OF_RANGE,
  ERR_UNKNOWN_ENCODING,
} = require('internal/errors').codes;
const { validateArray, validateNumber, validateString } = require('internal/validators');
const { inspect } = require('internal/inspect');

const kMaxLength = 2 ** 32;
const kStringMaxLength = 2 ** 29 - 24;

class FastBuffer extends Uint8Array {
  constructor(bufferOrLength, byteOffset, length) { super(bufferOrLength, byteOffset, length); }
}

function Buffer(arg, encodingOrOffset, length) {
  if (typeof arg === 'number') {
    if (typeof encodingOrOffset === 'string') throw new ERR_INVALID_ARG_TYPE('string', 'string', arg);
    return Buffer.alloc(arg);
  }
  return Buffer.from(arg, encodingOrOffset, length);
}
FastBuffer.prototype.constructor = Buffer;
Buffer.prototype = FastBuffer.prototype;
Object.setPrototypeOf(Buffer, Uint8Array);
Object.defineProperty(Buffer, Symbol.species, { configurable: true, enumerable: false, get() { return FastBuffer; } });
Buffer.poolSize = 8 * 1024;

const encodings = {
  'utf8': 'utf8', 'utf-8': 'utf8', 'ucs2': 'utf16le', 'ucs-2': 'utf16le', 'utf16le': 'utf16le', 'utf-16le': 'utf16le',
  'latin1': 'latin1', 'binary': 'latin1', 'ascii': 'ascii', 'base64': 'base64', 'base64url': 'base64url', 'hex': 'hex',
};

function normalize(encoding) {
  if (encoding === undefined || encoding === null || encoding === '' || encoding === 'utf8') return 'utf8';
  return encodings[`${encoding}`.toLowerCase()];
}

function mustNormalize(encoding) {
  const known = normalize(encoding);
  if (known === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
  return known;
}

function validateSize(size) {
  validateNumber(size, 'size', 0, kMaxLength);
}

Buffer.alloc = function alloc(size, fill, encoding) {
  validateSize(size);
  const buf = new FastBuffer(size);
  return fill !== undefined && fill !== 0 && size > 0 ? buf.fill(fill, encoding) : buf;
};
Buffer.allocUnsafe = function allocUnsafe(size) {
  validateSize(size);
  return new FastBuffer(size);
};
Buffer.allocUnsafeSlow = function allocUnsafeSlow(size) {
  validateSize(size);
  return new FastBuffer(size);
};

function fromString(text, encoding) {
  if (encoding !== undefined && typeof encoding !== 'string') encoding = 'utf8';
  return new FastBuffer(binding.encode(text, mustNormalize(encoding)));
}

function fromArrayLike(list) {
  const length = list.length;
  if (!(length > 0)) return new FastBuffer(0);
  const buf = new FastBuffer(length);
  for (let i = 0; i < length; i++) buf[i] = list[i];
  return buf;
}

function isArrayBuffer(value) {
  return value instanceof ArrayBuffer;
}

Buffer.from = function from(value, encodingOrOffset, length) {
  if (typeof value === 'string') return fromString(value, encodingOrOffset);
  if (typeof value === 'object' && value !== null) {
    if (isArrayBuffer(value)) {
      let offset = encodingOrOffset === undefined ? 0 : +encodingOrOffset;
      if (Number.isNaN(offset)) offset = 0;
      const most = value.byteLength - offset;
      if (most < 0) throw new ERR_BUFFER_OUT_OF_BOUNDS('offset');
      if (length === undefined) {
        length = most;
      } else {
        length = +length;
        if (!(length > 0)) length = 0;
        else if (length > most) throw new ERR_BUFFER_OUT_OF_BOUNDS('length');
      }
      return new FastBuffer(value, offset, length);
    }
    if (value instanceof Uint8Array) {
      const buf = new FastBuffer(value.length);
      buf.set(value);
      return buf;
    }
    const primitive = typeof value.valueOf === 'function' ? value.valueOf() : value;
    if (primitive != null && primitive !== value && (typeof primitive === 'string' || typeof primitive === 'object')) {
      return Buffer.from(primitive, encodingOrOffset, length);
    }
    if (value.length !== undefined || isArrayBuffer(value.buffer)) {
      return typeof value.length === 'number' ? fromArrayLike(value) : new FastBuffer(0);
    }
    if (value.type === 'Buffer' && Array.isArray(value.data)) return fromArrayLike(value.data);
    if (typeof value[Symbol.toPrimitive] === 'function') {
      const text = value[Symbol.toPrimitive]('string');
      if (typeof text === 'string') return fromString(text, encodingOrOffset);
    }
  }
  throw new ERR_INVALID_ARG_TYPE('first argument', ['string', 'Buffer', 'ArrayBuffer', 'Array', 'Array-like Object'], value);
};

Buffer.of = (...items) => fromArrayLike(items);
Buffer.isBuffer = (value) => value instanceof Buffer;
Buffer.isEncoding = (encoding) => typeof encoding === 'string' && encoding.length !== 0 && normalize(encoding) !== undefined;
Buffer.copyBytesFrom = function copyBytesFrom(view, offset = 0, length = view.length - offset) {
  if (!ArrayBuffer.isView(view)) throw new ERR_INVALID_ARG_TYPE('view', ['TypedArray'], view);
  const part = view.subarray(offset, offset + length);
  return Buffer.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
};

Buffer.byteLength = function byteLength(value, encoding) {
  if (typeof value === 'string') return binding.byteLength(value, normalize(encoding) ?? 'utf8');
  if (ArrayBuffer.isView(value) || isArrayBuffer(value)) return value.byteLength;
  throw new ERR_INVALID_ARG_TYPE('string', ['string', 'Buffer', 'ArrayBuffer'], value);
};

Buffer.concat = function concat(list, length) {
  validateArray(list, 'list');
  if (list.length === 0) return new FastBuffer(0);
  if (length === undefined) {
    length = 0;
    for (const part of list) if (part.length) length += part.length;
  } else {
    validateNumber(length, 'length', 0, kMaxLength);
  }
  const buf = new FastBuffer(length);
  let at = 0;
  for (let i = 0; i < list.length; i++) {
    const part = list[i];
    if (!(part instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE(`list[${i}]`, ['Buffer', 'Uint8Array'], part);
    if (at + part.length > length) {
      buf.set(part.subarray(0, length - at), at);
      at = length;
      break;
    }
    buf.set(part, at);
    at += part.length;
  }
  return buf;
};

Buffer.compare = function compare(a, b) {
  if (!(a instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('buf1', ['Buffer', 'Uint8Array'], a);
  if (!(b instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('buf2', ['Buffer', 'Uint8Array'], b);
  return a === b ? 0 : binding.compare(a, b);
};

const proto = Buffer.prototype;
require('internal/buffernumbers').install(proto);

Object.defineProperties(proto, {
  parent: { enumerable: true, get() { return this instanceof Buffer ? this.buffer : undefined; } },
  offset: { enumerable: true, get() { return this instanceof Buffer ? this.byteOffset : undefined; } },
});

proto.toString = function toString(encoding, start, end) {
  if (arguments.length === 0) return binding.decode(this, 'utf8', 0, this.length);
  const length = this.length;
  start = start > 0 ? Math.min(Math.trunc(start), length) : 0;
  end = end === undefined ? length : Math.min(Math.trunc(end) || 0, length);
  if (end <= start) return '';
  return binding.decode(this, encoding === undefined ? 'utf8' : mustNormalize(encoding), start, end);
};
proto.toLocaleString = proto.toString;

proto.equals = function equals(other) {
  if (!(other instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('otherBuffer', ['Buffer', 'Uint8Array'], other);
  return this === other || (this.byteLength === other.byteLength && binding.compare(this, other) === 0);
};

proto[inspect.custom] = function inspectBuffer(depth, ctx) {
  const most = exports_.INSPECT_MAX_BYTES;
  const shown = Math.min(most, this.length);
  let text = binding.decode(this, 'hex', 0, shown).replace(/(.{2})/g, '$1 ').trim();
  const more = this.length - most;
  if (more > 0) text += ` ... ${more} more byte${more > 1 ? 's' : ''}`;
  const extras = Object.keys(this).filter((k) => !/^\d+$/.test(k)).map((k) => `${k}: ${inspect(this[k], ctx)}`);
  if (extras.length > 0) text += `${this.length !== 0 ? ', ' : ''}${extras.join(', ')}`;
  return `<${this.constructor?.name ?? 'Buffer'}${text === '' && this.length === 0 ? '' : ''} ${text}>`;
};
proto.inspect = proto[inspect.custom];

proto.compare = function compare(target, targetStart = 0, targetEnd = target?.length, start = 0, end = this.length) {
  if (!(target instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('target', ['Buffer', 'Uint8Array'], target);
  const check = (n, name, max) => {
    validateNumber(n, name);
    if (n < 0 || n > max) throw new ERR_OUT_OF_RANGE(name, `>= 0 && <= ${max}`, n);
  };
  check(targetStart, 'targetStart', Number.MAX_SAFE_INTEGER);
  check(targetEnd, 'targetEnd', target.length);
  check(start, 'sourceStart', Number.MAX_SAFE_INTEGER);
  check(end, 'sourceEnd', this.length);
  if (start >= end) return targetStart >= targetEnd ? 0 : -1;
  if (targetStart >= targetEnd) return 1;
  return binding.compare(this.subarray(start, end), target.subarray(targetStart, targetEnd));
};

function search(buf, value, offset, encoding, forward) {
  validateArrayBufferView(buf);
  if (typeof offset === 'string') {
    encoding = offset;
    offset = undefined;
  }
  offset = +offset;
  if (Number.isNaN(offset)) offset = forward ? 0 : buf.length;
  offset = Math.max(Math.min(Math.trunc(offset), 2 ** 31), -(2 ** 31));
  if (offset < 0) offset += buf.length;
  if (offset < 0) {
    if (!forward) return -1;
    offset = 0;
  }
  let needle;
  if (typeof value === 'number') needle = new Uint8Array([value & 255]);
  else if (typeof value === 'string') needle = fromString(value, mustNormalize(encoding));
  else if (value instanceof Uint8Array) needle = value;
  else throw new ERR_INVALID_ARG_TYPE('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
  if (needle.length === 0) return Math.min(offset, buf.length);
  return binding.indexOf(buf, needle, offset, forward);
}

function validateArrayBufferView(value) {
  if (!ArrayBuffer.isView(value)) throw new ERR_INVALID_ARG_TYPE('buffer', ['Buffer', 'TypedArray', 'DataView'], value);
}

proto.indexOf = function indexOf(value, offset, encoding) { return search(this, value, offset, encoding, true); };
proto.lastIndexOf = function lastIndexOf(value, offset, encoding) { return search(this, value, offset, encoding, false); };
proto.includes = function includes(value, offset, encoding) { return this.indexOf(value, offset, encoding) !== -1; };

proto.fill = function fill(value, offset, end, encoding) {
  if (typeof value === 'string') {
    if (offset === undefined || typeof offset === 'string') {
      encoding = offset;
      offset = 0;
      end = this.length;
    } else if (typeof end === 'string') {
      encoding = end;
      end = this.length;
    }
    const known = mustNormalize(encoding);
    if (value.length === 0) {
      value = 0;
    } else {
      const pattern = fromString(value, known);
      if (pattern.length === 0) throw new ERR_INVALID_ARG_VALUE('value', value);
      value = pattern;
    }
  }
  if (offset === undefined) {
    offset = 0;
    end = this.length;
  } else {
    validateNumber(offset, 'offset', 0, this.length);
    if (end === undefined) end = this.length;
    else validateNumber(end, 'end', 0, this.length);
  }
  if (offset >= end) return this;
  if (value instanceof Uint8Array) {
    if (value.length === 0) throw new ERR_INVALID_ARG_VALUE('value', value);
    binding.fill(this, value, offset, end);
  } else {
    Uint8Array.prototype.fill.call(this, typeof value === 'number' ? value & 255 : value ? 1 : 0, offset, end);
  }
  return this;
};

proto.write = function write(text, offset, length, encoding) {
  validateString(text, 'argument');
  if (offset === undefined) return binding.write(this, text, 'utf8', 0, this.length);
  if (length === undefined && typeof offset === 'string') {
    encoding = offset;
    offset = 0;
    length = this.length;
  } else {
    validateNumber(offset, 'offset', 0, this.length);
    const left = this.length - offset;
    if (length === undefined) {
      length = left;
    } else if (typeof length === 'string') {
      encoding = length;
      length = left;
    } else {
      validateNumber(length, 'length', 0, this.length);
      length = Math.min(length, left);
    }
  }
  return binding.write(this, text, mustNormalize(encoding), offset, length);
};

for (const [name, encoding] of [['utf8', 'utf8'], ['ascii', 'ascii'], ['latin1', 'latin1'], ['hex', 'hex'], ['base64', 'base64'],
  ['base64url', 'base64url'], ['ucs2', 'utf16le']]) {
  proto[`${name}Slice`] = function(start = 0, end = this.length) { return this.toString(encoding, start, end); };
  proto[`${name}Write`] = function(text, offset = 0, length = this.length - offset) {
    return binding.write(this, text, encoding, offset, length);
  };
}

proto.toJSON = function toJSON() {
  return { type: 'Buffer', data: this.length > 0 ? Array.prototype.slice.call(this) : [] };
};

proto.slice = function slice(start, end) { return this.subarray(start, end); };

proto.copy = function copy(target, targetStart, sourceStart, sourceEnd) {
  if (!ArrayBuffer.isView(target)) throw new ERR_INVALID_ARG_TYPE('target', ['Buffer', 'Uint8Array'], target);
  const int = (n, otherwise) => (n === undefined ? otherwise : Math.trunc(+n) || 0);
  const to = int(targetStart, 0);
  if (to < 0) throw new ERR_OUT_OF_RANGE('targetStart', '>= 0', to);
  const from = int(sourceStart, 0);
  if (from < 0 || from > this.length) throw new ERR_OUT_OF_RANGE('sourceStart', `>= 0 && <= ${this.length}`, from);
  let end = int(sourceEnd, this.length);
  if (end < 0) throw new ERR_OUT_OF_RANGE('sourceEnd', '>= 0', end);
  if (to >= target.byteLength || from >= end) return 0;
  end = Math.min(end, this.length, from + target.byteLength - to);
  const view = target instanceof Uint8Array ? target : new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  Uint8Array.prototype.set.call(view, Uint8Array.prototype.subarray.call(this, from, end), to);
  return end - from;
};

for (const size of [2, 4, 8]) {
  proto[`swap${size * 8}`] = function() {
    if (this.length % size !== 0) throw new ERR_INVALID_BUFFER_SIZE(`${size * 8}-bits`);
    for (let i = 0; i < this.length; i += size) Uint8Array.prototype.reverse.call(this.subarray(i, i + size));
    return this;
  };
}

for (const key of Object.keys(proto)) {
  const d = Object.getOwnPropertyDescriptor(proto, key);
  if (key !== 'parent' && key !== 'offset') Object.defineProperty(proto, key, { ...d, enumerable: true });
}

function SlowBuffer(length) {
  validateNumber(length, 'size', 0, kMaxLength);
  return Buffer.allocUnsafeSlow(length);
}
Object.setPrototypeOf(SlowBuffer.prototype, Uint8Array.prototype);

function atob(input) {
  if (arguments.length === 0) throw new (require('internal/errors').codes.ERR_MISSING_ARGS)('input');
  const text = `${input}`.replace(/[\t\n\f\r ]/g, '');
  const bare = text.length % 4 === 0 ? text.replace(/==?$/, '') : text;
  if (bare.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(bare)) {
    throw new (require('internal/abort').DOMException)('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  }
  return Buffer.from(bare, 'base64').toString('latin1');
}

function btoa(input) {
  if (arguments.length === 0) throw new (require('internal/errors').codes.ERR_MISSING_ARGS)('input');
  const text = `${input}`;
  if (/[^\x00-\xff]/.test(text)) {
    throw new (require('internal/abort').DOMException)('Invalid character', 'InvalidCharacterError');
  }
  return Buffer.from(text, 'latin1').toString('base64');
}

const exports_ = {
  Buffer, SlowBuffer, FastBuffer, INSPECT_MAX_BYTES: 50, kMaxLength, kStringMaxLength, atob, btoa,
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength },
  isUtf8: (b) => binding.isUtf8(b instanceof ArrayBuffer ? new Uint8Array(b) : b),
  isAscii: (b) => Array.prototype.every.call(b instanceof ArrayBuffer ? new Uint8Array(b) : b, (c) => c < 128),
};
Object.defineProperty(exports_, 'FastBuffer', { enumerable: false });
module.exports = exports_;
require('internal/unavailable').fill('buffer', module.exports, ['transcode', 'resolveObjectURL'], ['Blob', 'File']);
