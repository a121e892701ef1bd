'use strict';
// StringDecoder: bytes to text in pieces, whole characters only.

const { Buffer } = require('buffer');
const { complete } = require('internal/encoding');
const { codes: { ERR_UNKNOWN_ENCODING } } = require('internal/errors');

class StringDecoder {
  #held = Buffer.alloc(0);
  constructor(encoding = 'utf8') {
    if (!Buffer.isEncoding(encoding)) throw new ERR_UNKNOWN_ENCODING(encoding);
    this.encoding = { 'utf-8': 'utf8', 'ucs2': 'utf16le', 'ucs-2': 'utf16le', 'binary': 'latin1' }[encoding.toLowerCase()] ?? encoding.toLowerCase();
  }
  write(bytes) {
    if (typeof bytes === 'string') return bytes;
    const all = Buffer.concat([this.#held, bytes]);
    let end = complete(all, this.encoding);
    if (this.encoding.startsWith('base64')) end = all.length - all.length % 3;
    this.#held = Buffer.from(all.subarray(end));
    return all.toString(this.encoding, 0, end);
  }
  end(bytes) {
    let text = bytes === undefined ? '' : this.write(bytes);
    if (this.#held.length > 0) text += this.#held.toString(this.encoding);
    this.#held = Buffer.alloc(0);
    return text;
  }
}

module.exports = { StringDecoder };
