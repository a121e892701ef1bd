'use strict';
// The part of net that is about addresses. There is no TCP here.

const address = internalBinding('url');
const { codes: { ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE } } = require('internal/errors');
const { validateInt32, validateObject, validateOneOf, validatePort, validateString, validateUint32 } = require('internal/validators');
const { inspect } = require('internal/inspect');

function isIP(input) { return typeof input === 'string' || typeof input === 'object' ? address.isIP(`${input}`) : 0; }
function isIPv4(input) { return isIP(input) === 4; }
function isIPv6(input) { return isIP(input) === 6; }

class SocketAddress {
  #address;
  #family;
  #port;
  #flowlabel;
  static isSocketAddress(value) { return value instanceof SocketAddress; }
  static parse(input) {
    validateString(input, 'input');
    const m = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(input);
    const host = m?.[1] ?? m?.[2];
    if (host === undefined || isIP(host) === 0 || Number(m[3] ?? 0) > 65535) return undefined;
    return new SocketAddress({ address: host, port: Number(m[3] ?? 0), family: isIP(host) === 6 ? 'ipv6' : 'ipv4' });
  }
  constructor(options = {}) {
    validateObject(options, 'options');
    let { family = 'ipv4' } = options;
    const { port = 0, flowlabel = 0 } = options;
    const host = options.address ?? (family === 'ipv4' ? '127.0.0.1' : '::');
    if (typeof family === 'string') family = family.toLowerCase();
    validateOneOf(family, 'options.family', ['ipv4', 'ipv6']);
    validateString(host, 'options.address');
    validatePort(port, 'options.port');
    validateUint32(flowlabel, 'options.flowlabel', false);
    if (isIP(host) !== (family === 'ipv4' ? 4 : 6)) throw new ERR_INVALID_ADDRESS(host);
    this.#address = address.canonical(host);
    this.#family = family;
    this.#port = Number(port);
    this.#flowlabel = flowlabel;
  }
  get address() { return this.#address; }
  get family() { return this.#family; }
  get port() { return this.#port; }
  get flowlabel() { return this.#flowlabel; }
  toJSON() { return { address: this.address, port: this.port, family: this.family, flowlabel: this.flowlabel }; }
  [inspect.custom](depth, options) { return `SocketAddress ${inspect(this.toJSON(), { ...options, depth })}`; }
}

class BlockList {
  #rules = []; // the last one first
  static isBlockList(value) { return value instanceof BlockList || typeof value?.check === 'function' && #rules in value; }
  #of(value, family, name) {
    if (SocketAddress.isSocketAddress(value)) return value;
    validateString(value, name);
    validateString(family, 'family');
    return new SocketAddress({ address: value, family });
  }
  addAddress(value, family = 'ipv4') {
    const a = this.#of(value, family, 'address');
    this.#rules.unshift({
      text: `Address: ${a.family === 'ipv4' ? 'IPv4' : 'IPv6'} ${a.address}`,
      family: a.family, has: (ip) => ip === a.address,
    });
  }
  addRange(start, end, family = 'ipv4') {
    const a = this.#of(start, family, 'start');
    const b = this.#of(end, family, 'end');
    if (a.family !== b.family || address.compare(a.address, b.address) > 0) {
      throw new ERR_INVALID_ARG_VALUE('start', a, 'must come before end');
    }
    this.#rules.unshift({
      text: `Range: ${a.family === 'ipv4' ? 'IPv4' : 'IPv6'} ${a.address}-${b.address}`,
      family: a.family, has: (ip) => address.compare(a.address, ip) <= 0 && address.compare(ip, b.address) <= 0,
    });
  }
  addSubnet(network, prefix, family = 'ipv4') {
    const a = this.#of(network, family, 'network');
    validateInt32(prefix, 'prefix', 0, a.family === 'ipv4' ? 32 : 128);
    this.#rules.unshift({
      text: `Subnet: ${a.family === 'ipv4' ? 'IPv4' : 'IPv6'} ${a.address}/${prefix}`,
      family: a.family, has: (ip) => address.contains(a.address, prefix, ip),
    });
  }
  // check sees IPv4 in an IPv6 address that maps it.
  check(value, family = 'ipv4') {
    if (!SocketAddress.isSocketAddress(value)) {
      validateString(value, 'address');
      validateString(family, 'family');
      family = family.toLowerCase();
      validateOneOf(family, 'family', ['ipv4', 'ipv6']);
      if (isIP(value) !== (family === 'ipv4' ? 4 : 6)) return false;
      value = { address: address.canonical(value), family };
    }
    const mapped = value.family === 'ipv6' ? address.unmap(value.address) : value.address;
    return this.#rules.some((r) => (r.family === value.family && r.has(value.address)) ||
      (mapped !== value.address && r.family === 'ipv4' && r.has(mapped)) ||
      (value.family === 'ipv4' && r.family === 'ipv6' && r.has(`::ffff:${value.address}`)));
  }
  get rules() { return this.#rules.map((r) => r.text); }
  toJSON() { return this.rules; }
  fromJSON(data) {
    for (const text of Array.isArray(data) ? data : JSON.parse(data)) {
      const m = /^(Address|Range|Subnet): (IPv[46]) (.*)$/.exec(text);
      if (m === null) throw new ERR_INVALID_ARG_VALUE('data', data);
      const family = m[2].toLowerCase();
      if (m[1] === 'Address') this.addAddress(m[3], family);
      else if (m[1] === 'Range') this.addRange(...m[3].split('-'), family);
      else this.addSubnet(m[3].split('/')[0], Number(m[3].split('/')[1]), family);
    }
  }
  [inspect.custom](depth, options) {
    return depth < 0 ? this : `BlockList ${inspect({ rules: this.rules }, { ...options, depth })}`;
  }
}

let attemptTimeout = 500;
let autoSelect = true;

function noTCP() { throw new ERR_FEATURE_UNAVAILABLE('net: TCP'); }

module.exports = {
  BlockList, SocketAddress, isIP, isIPv4, isIPv6,
  connect: noTCP, createConnection: noTCP, createServer: noTCP,
  Server: class Server { constructor() { noTCP(); } },
  Socket: class Socket { constructor() { noTCP(); } },
  getDefaultAutoSelectFamily: () => autoSelect,
  setDefaultAutoSelectFamily(value) { autoSelect = Boolean(value); },
  getDefaultAutoSelectFamilyAttemptTimeout: () => attemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout(value) {
    validateInt32(value, 'value', 1);
    attemptTimeout = value < 10 ? 10 : value;
  },
};
module.exports.Stream = module.exports.Socket;
