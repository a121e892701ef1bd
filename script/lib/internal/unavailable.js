'use strict';
// Modules of Node of which there is nothing but the names. Packages require them for
// what they may do besides, and that must not keep the rest from running: what is
// called or constructed says that it is not there.

const EventEmitter = require('events');
const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

// unavailable makes a module of functions and of classes, which can be inherited from.
function unavailable(module, functions, classes, rest) {
  const exports = { ...rest };
  for (const name of functions) {
    exports[name] = { [name]() { throw new ERR_FEATURE_UNAVAILABLE(`${module}.${name}`); } }[name];
  }
  for (const name of classes) {
    const made = { [name]: function() { throw new ERR_FEATURE_UNAVAILABLE(`${module}.${name}`); } }[name];
    Object.setPrototypeOf(made.prototype, EventEmitter.prototype);
    exports[name] = made;
  }
  return exports;
}

// fill adds the names to a module of which the rest is there.
function fill(module, exports, functions, classes = []) {
  for (const [name, value] of Object.entries(unavailable(module, functions, classes))) exports[name] ??= value;
}

module.exports = { fill, unavailable };
