'use strict';
// TextEncoder and TextDecoder.

const binding = internalBinding('buffer');
const { codes: { ERR_ENCODING_INVALID_ENCODED_DATA, ERR_ENCODING_NOT_SUPPORTED, ERR_INVALID_ARG_TYPE } } = require('internal/errors');

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(input = '') { return new Uint8Array(binding.encode(`${input}`, 'utf8')); }
  encodeInto(source, dest) {
    const written = binding.write(dest, source, 'utf8', 0, dest.length);
    const read = binding.decode(dest, 'utf8', 0, written).length;
    return { read, written };
  }
  get [Symbol.toStringTag]() { return 'TextEncoder'; }
}

const labels = {
  'utf-8': 'utf8', 'utf8': 'utf8', 'unicode-1-1-utf-8': 'utf8', 'utf-16le': 'utf16le', 'utf-16': 'utf16le', 'latin1': 'latin1',
  'ascii': 'latin1', 'us-ascii': 'latin1', 'iso-8859-1': 'latin1', 'windows-1252': 'latin1',
};
const names = { utf8: 'utf-8', utf16le: 'utf-16le', latin1: 'windows-1252' };

class TextDecoder {
  #encoding;
  #held = new Uint8Array(0);
  #begun = false;
  constructor(encoding = 'utf-8', options = {}) {
    this.#encoding = labels[`${encoding}`.trim().toLowerCase()];
    if (this.#encoding === undefined) throw new ERR_ENCODING_NOT_SUPPORTED(encoding);
    Object.defineProperties(this, {
      fatal: { value: Boolean(options?.fatal), enumerable: true },
      ignoreBOM: { value: Boolean(options?.ignoreBOM), enumerable: true },
    });
  }
  get encoding() { return names[this.#encoding]; }
  decode(input = new Uint8Array(0), options = {}) {
    let bytes;
    if (input instanceof ArrayBuffer) bytes = new Uint8Array(input);
    else if (ArrayBuffer.isView(input)) bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    else throw new ERR_INVALID_ARG_TYPE('list', ['ArrayBuffer', 'ArrayBufferView'], input);
    if (this.#held.length > 0) {
      const joined = new Uint8Array(this.#held.length + bytes.length);
      joined.set(this.#held);
      joined.set(bytes, this.#held.length);
      bytes = joined;
    }
    let end = bytes.length;
    if (options?.stream) end = complete(bytes, this.#encoding);
    this.#held = bytes.slice(end);
    if (this.fatal && this.#encoding === 'utf8' && !binding.isUtf8(bytes.subarray(0, end))) {
      throw new ERR_ENCODING_INVALID_ENCODED_DATA(this.encoding);
    }
    let text = binding.decode(bytes, this.#encoding, 0, end);
    if (!this.#begun && !this.ignoreBOM && text.charCodeAt(0) === 0xfeff && this.#encoding !== 'latin1') text = text.slice(1);
    this.#begun = Boolean(options?.stream);
    return text;
  }
  get [Symbol.toStringTag]() { return 'TextDecoder'; }
}

// complete returns how many bytes are whole characters: the rest may be continued.
function complete(bytes, encoding) {
  const n = bytes.length;
  if (encoding === 'utf16le') {
    const even = n - n % 2;
    return even >= 2 && (bytes[even - 1] & 0xfc) === 0xd8 ? even - 2 : even;
  }
  if (encoding !== 'utf8') return n;
  for (let back = 1; back <= Math.min(3, n); back++) {
    const c = bytes[n - back];
    if (c >= 0xc0) {
      const want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      return want > back ? n - back : n;
    }
    if (c < 0x80) break;
  }
  return n;
}

module.exports = { TextDecoder, TextEncoder, complete };
