'use strict';
// AES as createCipheriv and createDecipheriv give it.

const binding = internalBinding('cipher');
const { Buffer } = require('buffer');
const {
  codes: { ERR_CRYPTO_INVALID_AUTH_TAG, ERR_CRYPTO_INVALID_IV, ERR_CRYPTO_INVALID_KEYLEN, ERR_CRYPTO_INVALID_STATE, ERR_CRYPTO_UNKNOWN_CIPHER, ERR_INVALID_ARG_TYPE },
} = require('internal/errors');
const { validateString } = require('internal/validators');

const names = ['128', '192', '256'].flatMap((bits) => ['cbc', 'ctr', 'ecb', 'gcm'].map((mode) => `aes-${bits}-${mode}`));

const failures = {
  length: ['error:1C80006B:Provider routines::wrong final block length', 'ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH', 'wrong final block length'],
  padding: ['error:1C800064:Provider routines::bad decrypt', 'ERR_OSSL_BAD_DECRYPT', 'bad decrypt'],
};

function bytes(value, name, encoding) {
  if (typeof value === 'string') return Buffer.from(value, encoding);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) throw new ERR_INVALID_ARG_TYPE(name, ['string', 'ArrayBuffer', 'Buffer', 'TypedArray', 'DataView'], value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

class Cipher {
  #state;
  #encrypts;
  #gcm;
  #tag;
  #over = false;
  constructor(encrypts, name, key, iv) {
    validateString(name, 'cipher');
    name = name.toLowerCase().replace(/^aes(?=\d)/, 'aes-').replace(/^id-aes(\d+)-gcm$/, 'aes-$1-gcm');
    key = bytes(key, 'key');
    iv = iv === null ? new Uint8Array(0) : bytes(iv, 'iv');
    this.#state = binding.cipher(name, encrypts, key, iv);
    if (this.#state === 'name') throw new ERR_CRYPTO_UNKNOWN_CIPHER();
    if (this.#state === 'key') throw new ERR_CRYPTO_INVALID_KEYLEN();
    if (this.#state === 'iv') throw new ERR_CRYPTO_INVALID_IV();
    this.#encrypts = encrypts;
    this.#gcm = name.endsWith('-gcm');
  }
  #text(out, encoding) {
    const all = Buffer.from(out);
    return encoding === undefined || encoding === 'buffer' ? all : all.toString(encoding);
  }
  update(data, inputEncoding, outputEncoding) {
    if (this.#over) throw new Error('Trying to add data in unsupported state');
    return this.#text(this.#state.update(bytes(data, 'data', inputEncoding)), outputEncoding);
  }
  final(outputEncoding) {
    if (this.#over) throw new ERR_CRYPTO_INVALID_STATE('final');
    this.#over = true;
    const out = this.#state.final();
    if (out === 'tag') throw new Error('Unsupported state or unable to authenticate data');
    if (typeof out === 'string') {
      const [message, code, reason] = failures[out];
      throw Object.assign(new Error(message), { library: 'Provider routines', reason, code });
    }
    if (this.#encrypts && this.#gcm) this.#tag = Buffer.from(this.#state.tag());
    return this.#text(out, outputEncoding);
  }
  setAutoPadding(on = true) {
    this.#state.setPadding(Boolean(on));
    return this;
  }
  setAAD(data) {
    this.#state.setAAD(bytes(data, 'buffer'));
    return this;
  }
  getAuthTag() {
    if (this.#tag === undefined) throw new ERR_CRYPTO_INVALID_STATE('getAuthTag');
    return this.#tag;
  }
  setAuthTag(tag) {
    tag = bytes(tag, 'buffer');
    if (![4, 8, 12, 13, 14, 15, 16].includes(tag.length)) throw new ERR_CRYPTO_INVALID_AUTH_TAG(tag.length);
    this.#state.setTag(tag);
    return this;
  }
}

module.exports = {
  createCipheriv: (name, key, iv) => new Cipher(true, name, key, iv),
  createDecipheriv: (name, key, iv) => new Cipher(false, name, key, iv),
  getCiphers: () => [...names],
};
