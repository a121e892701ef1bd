'use strict';
// What dgram may send, as Uint8Arrays.

const { Buffer } = require('buffer');
const { codes: { ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE } } = require('internal/errors');

// bytesOf returns a Uint8Array of what may be sent, or undefined.
function bytesOf(value) {
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
}

function sliceOf(value, offset, length) {
  const buffer = bytesOf(value);
  if (buffer === undefined) {
    throw new ERR_INVALID_ARG_TYPE('buffer', ['Buffer', 'TypedArray', 'DataView', 'string'], value);
  }
  offset >>>= 0;
  length >>>= 0;
  if (offset > buffer.byteLength) throw new ERR_BUFFER_OUT_OF_BOUNDS('offset');
  if (offset + length > buffer.byteLength) throw new ERR_BUFFER_OUT_OF_BOUNDS('length');
  return Buffer.from(buffer.buffer, buffer.byteOffset + offset, length);
}

function listOf(list) {
  const out = new Array(list.length);
  for (let i = 0; i < list.length; i++) {
    const part = bytesOf(list[i]);
    if (part === undefined) return null;
    out[i] = part;
  }
  return out;
}

module.exports = { bytesOf, listOf, sliceOf };
