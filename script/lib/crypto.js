'use strict';
// The part of crypto that protocols over UDP make use of: randomness, hashes and AES.

const binding = internalBinding('crypto');
const { Buffer } = require('buffer');
const { codes: { ERR_INVALID_ARG_TYPE } } = require('internal/errors');
const { validateFunction, validateInteger, validateNumber, validateString } = require('internal/validators');

function randomBytes(size, callback) {
  validateNumber(size, 'size', 0, 2147483647);
  if (callback !== undefined) validateFunction(callback, 'callback');
  const bytes = Buffer.alloc(size);
  binding.random(bytes);
  if (callback === undefined) return bytes;
  setImmediate(callback, null, bytes);
  return undefined;
}

function randomFillSync(buf, offset = 0, size = buf.byteLength - offset) {
  const view = new Uint8Array(buf.buffer ?? buf, (buf.byteOffset ?? 0) + offset, size);
  binding.random(view);
  return buf;
}

function randomInt(min, max, callback) {
  if (max === undefined || typeof max === 'function') [min, max, callback] = [0, min, max];
  validateInteger(min, 'min');
  validateInteger(max, 'max', min + 1);
  const range = max - min;
  const limit = 2 ** 48 - 2 ** 48 % range; // what is above would favour small numbers
  let n;
  do n = randomBytes(6).readUIntBE(0, 6); while (n >= limit);
  const value = min + n % range;
  if (callback === undefined) return value;
  setImmediate(callback, null, value);
  return undefined;
}

function randomUUID() {
  const b = randomBytes(16);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

class Hash {
  #name;
  #key;
  #parts = [];
  constructor(name, key) {
    validateString(name, 'algorithm');
    this.#name = name.toLowerCase().replace(/^(?:rsa-)?sha-?/, 'sha');
    if (!binding.hashes().includes(this.#name)) throw new Error(`Digest method not supported: ${name}`);
    this.#key = key;
  }
  update(data, encoding) {
    if (typeof data === 'string') data = Buffer.from(data, encoding);
    if (!ArrayBuffer.isView(data)) throw new ERR_INVALID_ARG_TYPE('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
    this.#parts.push(Buffer.from(data));
    return this;
  }
  digest(encoding) {
    const out = Buffer.from(binding.hash(this.#name, Buffer.concat(this.#parts), this.#key));
    return encoding === undefined || encoding === 'buffer' ? out : out.toString(encoding);
  }
}

const webcrypto = { getRandomValues: (view) => randomFillSync(view), randomUUID };

module.exports = {
  createHash: (name) => new Hash(name),
  createHmac: (name, key) => new Hash(name, typeof key === 'string' ? Buffer.from(key) : Buffer.from(key)),
  getHashes: () => [...binding.hashes()],
  hash: (name, data, encoding = 'hex') => new Hash(name).update(data).digest(encoding),
  randomBytes, randomFillSync, randomInt, randomUUID, pseudoRandomBytes: randomBytes,
  randomFill: (buf, ...args) => setImmediate(args.at(-1), null, randomFillSync(buf)),
  timingSafeEqual: (a, b) => binding.equal(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength)),
  getRandomValues: webcrypto.getRandomValues, webcrypto, crypto: webcrypto,
};
require('internal/unavailable').fill('crypto', module.exports, ['checkPrime', 'checkPrimeSync', 'createDiffieHellman', 'createECDH',
  'createPrivateKey', 'createPublicKey', 'createSecretKey', 'createSign', 'createVerify', 'diffieHellman', 'generateKey', 'generateKeySync',
  'generateKeyPair', 'generateKeyPairSync', 'generatePrime', 'generatePrimeSync', 'getDiffieHellman', 'hkdf', 'hkdfSync', 'pbkdf2', 'pbkdf2Sync',
  'privateDecrypt', 'privateEncrypt', 'publicDecrypt', 'publicEncrypt', 'scrypt', 'scryptSync', 'sign', 'verify'],
['Cipheriv', 'Decipheriv', 'DiffieHellman', 'ECDH', 'KeyObject', 'Sign', 'Verify', 'X509Certificate']);
Object.assign(module.exports, require('internal/cipher'), { constants: {}, getCurves: () => [], getCipherInfo: () => undefined, getFips: () => 0 });
