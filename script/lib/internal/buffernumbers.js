'use strict';
// Buffer's methods that read and write numbers.

const { codes: { ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } } = require('internal/errors');
const { validateNumber } = require('internal/validators');

const bytes = new Uint8Array(8);
const float32 = new Float32Array(bytes.buffer);
const float64 = new Float64Array(bytes.buffer);

function checkOffset(buf, offset, size) {
  if (typeof offset !== 'number') throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
  if (Number.isInteger(offset) && offset >= 0 && offset + size <= buf.length) return;
  if (!Number.isInteger(offset)) throw new ERR_OUT_OF_RANGE('offset', 'an integer', offset);
  if (buf.length - size < 0) throw new ERR_BUFFER_OUT_OF_BOUNDS();
  throw new ERR_OUT_OF_RANGE('offset', `>= 0 and <= ${buf.length - size}`, offset);
}

function checkByteLength(n) {
  if (n === undefined) throw new ERR_INVALID_ARG_TYPE('byteLength', 'number', n);
  validateNumber(n, 'byteLength');
  if (!Number.isInteger(n)) throw new ERR_OUT_OF_RANGE('byteLength', 'an integer', n);
  if (n < 1 || n > 6) throw new ERR_OUT_OF_RANGE('byteLength', '>= 1 and <= 6', n);
}

function checkValue(value, size, signed) {
  const bits = size * 8;
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  if (value >= min && value <= max) return;
  if (Number.isNaN(value)) return;
  let range = `>= ${min} and <= ${max}`;
  if (size > 4) range = signed ? `>= -(2 ** ${bits - 1}) and < 2 ** ${bits - 1}` : `>= 0 and < 2 ** ${bits}`;
  throw new ERR_OUT_OF_RANGE('value', range, value);
}

function readUnsigned(buf, offset, size, little) {
  let value = 0;
  if (little) {
    for (let i = size - 1; i >= 0; i--) value = value * 256 + buf[offset + i];
  } else {
    for (let i = 0; i < size; i++) value = value * 256 + buf[offset + i];
  }
  return value;
}

function readSigned(buf, offset, size, little) {
  const value = readUnsigned(buf, offset, size, little);
  const half = 2 ** (size * 8 - 1);
  return value >= half ? value - 2 * half : value;
}

function write(buf, value, offset, size, little) {
  if (value < 0) value += 2 ** (size * 8);
  for (let i = 0; i < size; i++) {
    buf[offset + (little ? i : size - 1 - i)] = value % 256;
    value = Math.floor(value / 256);
  }
  return offset + size;
}

function install(proto) {
  const define = (name, fn, ...aliases) => {
    Object.defineProperty(fn, 'name', { value: name });
    for (const n of [name, ...aliases]) proto[n] = fn;
  };
  for (const [size, word] of [[1, '8'], [2, '16'], [4, '32']]) {
    for (const little of [false, true]) {
      if (size === 1 && little) continue;
      const end = size === 1 ? '' : little ? 'LE' : 'BE';
      define(`readUInt${word}${end}`, function(offset = 0) {
        checkOffset(this, offset, size);
        return readUnsigned(this, offset, size, little);
      }, `readUint${word}${end}`);
      define(`readInt${word}${end}`, function(offset = 0) {
        checkOffset(this, offset, size);
        return readSigned(this, offset, size, little);
      });
      define(`writeUInt${word}${end}`, function(value, offset = 0) {
        value = +value;
        checkValue(value, size, false);
        checkOffset(this, offset, size);
        return write(this, Math.trunc(value) || 0, offset, size, little);
      }, `writeUint${word}${end}`);
      define(`writeInt${word}${end}`, function(value, offset = 0) {
        value = +value;
        checkValue(value, size, true);
        checkOffset(this, offset, size);
        return write(this, Math.trunc(value) || 0, offset, size, little);
      });
    }
  }
  for (const little of [false, true]) {
    const end = little ? 'LE' : 'BE';
    define(`readUInt${end}`, function(offset, byteLength) {
      if (offset === undefined) throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
      checkByteLength(byteLength);
      checkOffset(this, offset, byteLength);
      return readUnsigned(this, offset, byteLength, little);
    }, `readUint${end}`);
    define(`readInt${end}`, function(offset, byteLength) {
      if (offset === undefined) throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
      checkByteLength(byteLength);
      checkOffset(this, offset, byteLength);
      return readSigned(this, offset, byteLength, little);
    });
    define(`writeUInt${end}`, function(value, offset, byteLength) {
      checkByteLength(byteLength);
      value = +value;
      checkValue(value, byteLength, false);
      checkOffset(this, offset, byteLength);
      return write(this, Math.trunc(value) || 0, offset, byteLength, little);
    }, `writeUint${end}`);
    define(`writeInt${end}`, function(value, offset, byteLength) {
      checkByteLength(byteLength);
      value = +value;
      checkValue(value, byteLength, true);
      checkOffset(this, offset, byteLength);
      return write(this, Math.trunc(value) || 0, offset, byteLength, little);
    });
    for (const [word, scratch, size] of [['Float', float32, 4], ['Double', float64, 8]]) {
      define(`read${word}${end}`, function(offset = 0) {
        checkOffset(this, offset, size);
        for (let i = 0; i < size; i++) bytes[little ? i : size - 1 - i] = this[offset + i];
        return scratch[0];
      });
      define(`write${word}${end}`, function(value, offset = 0) {
        checkOffset(this, offset, size);
        scratch[0] = +value;
        for (let i = 0; i < size; i++) this[offset + i] = bytes[little ? i : size - 1 - i];
        return offset + size;
      });
    }
    define(`readBigUInt64${end}`, function(offset = 0) {
      checkOffset(this, offset, 8);
      const low = readUnsigned(this, little ? offset : offset + 4, 4, little);
      const high = readUnsigned(this, little ? offset + 4 : offset, 4, little);
      return (BigInt(high) << 32n) + BigInt(low);
    }, `readBigUint64${end}`);
    define(`readBigInt64${end}`, function(offset = 0) {
      return BigInt.asIntN(64, this[`readBigUInt64${end}`](offset));
    });
    const writeBig = (name, min, max, range, ...aliases) => define(name, function(value, offset = 0) {
      if (typeof value !== 'bigint') throw new ERR_INVALID_ARG_TYPE('value', 'bigint', value);
      if (value < min || value > max) throw new ERR_OUT_OF_RANGE('value', range, value);
      checkOffset(this, offset, 8);
      const unsigned = BigInt.asUintN(64, value);
      write(this, Number(unsigned & 0xffffffffn), little ? offset : offset + 4, 4, little);
      write(this, Number(unsigned >> 32n), little ? offset + 4 : offset, 4, little);
      return offset + 8;
    }, ...aliases);
    writeBig(`writeBigUInt64${end}`, 0n, 2n ** 64n - 1n, '>= 0n and < 2n ** 64n', `writeBigUint64${end}`);
    writeBig(`writeBigInt64${end}`, -(2n ** 63n), 2n ** 63n - 1n, '>= -(2n ** 63n) and < 2n ** 63n');
  }
}

module.exports = { install };
