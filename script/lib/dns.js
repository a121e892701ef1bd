'use strict';
// dns.lookup, which asks the network that the script is on.

const binding = internalBinding('dns');
const { isIP } = require('net');
const { DNSException, codes: { ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE } } = require('internal/errors');
const { entry, inContext } = require('internal/ticks');
const { validateArray, validateBoolean, validateFunction, validateNumber, validateOneOf, validateString } = require('internal/validators');
const { UV_EAI_NODATA, UV_EAI_NONAME, UV_EAI_MEMORY } = internalBinding('uv');

let order = 'verbatim';
let servers = [];

function failure(errno, hostname) {
  return new DNSException(errno === UV_EAI_NODATA || errno === UV_EAI_NONAME ? 'ENOTFOUND' : errno, 'getaddrinfo', hostname);
}

function lookup(hostname, options, callback) {
  let family = 0;
  let all = false;
  let wanted = order;
  if (hostname && typeof hostname !== 'string') throw new ERR_INVALID_ARG_TYPE('hostname', 'string', hostname);
  if (typeof options === 'function') {
    callback = options;
  } else if (typeof options === 'number') {
    validateFunction(callback, 'callback');
    validateOneOf(options, 'family', [0, 4, 6]);
    family = options;
  } else if (options !== undefined && typeof options !== 'object') {
    validateFunction(arguments.length === 2 ? options : callback, 'callback');
    throw new ERR_INVALID_ARG_TYPE('options', ['integer', 'object'], options);
  } else {
    validateFunction(callback, 'callback');
    if (options?.hints != null) validateNumber(options.hints, 'options.hints');
    if (options?.family != null) {
      family = { IPv4: 4, IPv6: 6 }[options.family] ?? options.family;
      validateOneOf(family, 'options.family', [0, 4, 6]);
    }
    if (options?.all != null) {
      validateBoolean(options.all, 'options.all');
      all = options.all;
    }
    if (options?.verbatim != null) {
      validateBoolean(options.verbatim, 'options.verbatim');
      wanted = options.verbatim ? 'verbatim' : 'ipv4first';
    }
    if (options?.order != null) {
      validateOneOf(options.order, 'options.order', ['ipv4first', 'ipv6first', 'verbatim']);
      wanted = options.order;
    }
  }
  validateFunction(callback, 'callback');
  if (!hostname) {
    if (all) process.nextTick(callback, null, []);
    else process.nextTick(callback, null, null, family === 6 ? 6 : 4);
    return {};
  }
  const literal = isIP(hostname);
  if (literal) {
    if (all) process.nextTick(callback, null, [{ address: hostname, family: literal }]);
    else process.nextTick(callback, null, hostname, literal);
    return {};
  }
  binding.lookup(hostname, family, entry(inContext((errno, addresses) => {
    if (errno !== 0) {
      callback(failure(errno, hostname));
      return;
    }
    let list = addresses.map((address) => ({ address, family: isIP(address) }));
    if (wanted !== 'verbatim') {
      const first = wanted === 'ipv4first' ? 4 : 6;
      list = [...list.filter((a) => a.family === first), ...list.filter((a) => a.family !== first)];
    }
    if (all) callback(null, list);
    else callback(null, list[0].address, list[0].family);
  })));
  return {};
}

function promised(hostname, options) {
  return new Promise((resolve, reject) => {
    lookup(hostname, options ?? {}, (err, address, family) => {
      if (err) reject(err);
      else resolve(options?.all ? address : { address, family });
    });
  });
}
Object.defineProperty(lookup, Symbol.for('nodejs.util.promisify.custom'), { value: promised });

function unavailable(name) {
  return () => { throw new ERR_FEATURE_UNAVAILABLE(`dns.${name}`); };
}

const errors = {};
for (const name of ['NODATA', 'FORMERR', 'SERVFAIL', 'NOTFOUND', 'NOTIMP', 'REFUSED', 'BADQUERY', 'BADNAME', 'BADFAMILY', 'BADRESP',
  'CONNREFUSED', 'TIMEOUT', 'EOF', 'FILE', 'NOMEM', 'DESTRUCTION', 'BADSTR', 'BADFLAGS', 'NONAME', 'BADHINTS',
  'NOTINITIALIZED', 'LOADIPHLPAPI', 'ADDRGETNETWORKPARAMS', 'CANCELLED']) {
  errors[name] = `E${name}`;
}

module.exports = {
  ...errors,
  ADDRCONFIG: 1024, ALL: 256, V4MAPPED: 2048,
  lookup,
  getDefaultResultOrder: () => order,
  setDefaultResultOrder(value) {
    validateOneOf(value, 'dnsOrder', ['ipv4first', 'ipv6first', 'verbatim']);
    order = value;
  },
  // Servers are remembered. lookup does not ask them, in Node neither.
  getServers: () => [...servers],
  setServers(list) {
    validateArray(list, 'servers');
    list.forEach((s, i) => validateString(s, `servers[${i}]`));
    servers = [...list];
  },
  promises: { lookup: promised, ...errors },
};
for (const name of ['lookupService', 'resolve', 'resolve4', 'resolve6', 'resolveTxt', 'resolveSrv', 'resolveMx', 'reverse']) {
  module.exports[name] = unavailable(name);
}
for (const name of ['Any', 'Caa', 'Cname', 'Naptr', 'Ns', 'Ptr', 'Soa', 'Tlsa']) module.exports[`resolve${name}`] = unavailable(`resolve${name}`);
require('internal/unavailable').fill('dns', module.exports, [], ['Resolver']);
for (const name of Object.keys(module.exports)) {
  if (/^(?:resolve|reverse|lookupService|Resolver|[gs]et)/.test(name)) module.exports.promises[name] ??= module.exports[name];
}
