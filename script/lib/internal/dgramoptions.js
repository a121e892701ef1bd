'use strict';
// The methods of dgram's Socket for options and groups.

const { ErrnoException, codes: { ERR_MISSING_ARGS } } = require('internal/errors');
const { validateNumber, validateString } = require('internal/validators');
const { kStateSymbol } = require('internal/dgram');

// addOptions gives them to a class, of which mustRun throws what is closed.
function addOptions(Socket, mustRun) {
  // set makes a method that hands its argument to the handle.
  function set(name, validate) {
    return function(arg) {
      validate?.(arg);
      mustRun(this);
      const err = this[kStateSymbol].handle[name](arg);
      if (err) throw new ErrnoException(err, name);
      return arg;
    };
  }

  const isNumber = (name) => (value) => validateNumber(value, name);
  Object.assign(Socket.prototype, {
    setBroadcast: set('setBroadcast'),
    setTTL: set('setTTL', isNumber('ttl')),
    setMulticastTTL: set('setMulticastTTL', isNumber('ttl')),
    setMulticastLoopback: set('setMulticastLoopback'),
    setMulticastInterface: set('setMulticastInterface', (value) => validateString(value, 'interfaceAddress')),
  });
  for (const name of ['setBroadcast', 'setMulticastInterface']) {
    const method = Socket.prototype[name];
    Socket.prototype[name] = function(arg) { Reflect.apply(method, this, [arg]); };
  }

  function changeGroup(socket, name, args) {
    mustRun(socket);
    const err = socket[kStateSymbol].handle[name](...args);
    if (err) throw new ErrnoException(err, name);
  }

  for (const name of ['addMembership', 'dropMembership']) {
    Socket.prototype[name] = function(multicastAddress, interfaceAddress) {
      mustRun(this);
      if (!multicastAddress) throw new ERR_MISSING_ARGS('multicastAddress');
      changeGroup(this, name, [multicastAddress, interfaceAddress]);
    };
  }
  for (const name of ['addSourceSpecificMembership', 'dropSourceSpecificMembership']) {
    Socket.prototype[name] = function(sourceAddress, groupAddress, interfaceAddress) {
      mustRun(this);
      validateString(sourceAddress, 'sourceAddress');
      validateString(groupAddress, 'groupAddress');
      changeGroup(this, name, [sourceAddress, groupAddress, interfaceAddress]);
    };
  }
}

module.exports = { addOptions };
