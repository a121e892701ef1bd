'use strict';
// What dgram's Socket shares with those who look inside it: its state, and handles
// that are made and bound without a Socket.

const { guessHandleType } = internalBinding('udp_wrap');
const { UDP } = require('internal/udp_wrap');
const { UV_EINVAL } = internalBinding('uv');
const { codes: { ERR_SOCKET_BAD_TYPE } } = require('internal/errors');
const { validateFunction } = require('internal/validators');

const kStateSymbol = Symbol('state symbol');

// lookupBy asks for an address of the handle's family; no name is this host itself.
function lookupBy(family, lookup) {
  const nobody = family === 6 ? '::1' : '127.0.0.1';
  return (address, callback) => lookup(address || nobody, family, callback);
}

// kPlain is a handle's own lookup if it is that of the network, where literals need none.
const kPlain = Symbol('plain lookup');

function newHandle(type, lookup) {
  const plain = lookup === undefined;
  if (plain) {
    // A literal needs no resolver. dns.lookup is asked for when it is used: it may
    // have been replaced.
    const { isIP } = require('net');
    lookup = (address, family, callback) => {
      if (isIP(address) === family) process.nextTick(callback, null, address, family);
      else require('dns').lookup(address, family, callback);
    };
  } else {
    validateFunction(lookup, 'lookup');
  }
  if (type !== 'udp4' && type !== 'udp6') throw new ERR_SOCKET_BAD_TYPE();
  const handle = new UDP();
  handle.lookup = lookupBy(type === 'udp6' ? 6 : 4, lookup);
  if (plain) Object.defineProperty(handle, kPlain, { value: handle.lookup });
  if (type === 'udp6') {
    handle.bind = handle.bind6;
    handle.connect = handle.connect6;
    handle.send = handle.send6;
  }
  return handle;
}

// _createSocketHandle returns a handle that is bound, or a negative errno.
function _createSocketHandle(address, port, type, fd, flags) {
  const handle = newHandle(type);
  let err = 0;
  if (Number.isInteger(fd) && fd > 0) {
    if (guessHandleType(fd) !== 'UDP') err = UV_EINVAL;
    else err = handle.open(fd);
  } else if (port || address) {
    err = handle.bind(address, port || 0, flags);
  }
  if (err) {
    handle.close();
    return err;
  }
  return handle;
}

module.exports = { _createSocketHandle, guessHandleType, kPlain, kStateSymbol, newHandle };
