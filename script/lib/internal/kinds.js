'use strict';
// className: what kind of object a value is, whatever it pretends.

const native = internalBinding('util').className;

const asyncFunction = Object.getPrototypeOf(async () => {});
const generatorFunction = Object.getPrototypeOf(function* () {});
const tagged = new Set(['Map Iterator', 'Set Iterator', 'Array Iterator', 'String Iterator', 'RegExp String Iterator', 'Generator']);

// brands are functions that throw if what they are called on is not of the kind.
const brands = {
  WeakMap: (v) => WeakMap.prototype.has.call(v, brands),
  WeakSet: (v) => WeakSet.prototype.has.call(v, brands),
  BigInt: (v) => BigInt.prototype.valueOf.call(v),
  Symbol: (v) => Symbol.prototype.valueOf.call(v),
};

function isInChain(proto, value) {
  return Object.prototype.isPrototypeOf.call(proto, value);
}

function className(value) {
  const name = native(value);
  if (typeof value === 'function') {
    if (isInChain(asyncFunction, value)) return 'AsyncFunction';
    return isInChain(generatorFunction, value) ? 'GeneratorFunction' : 'Function';
  }
  if (name !== 'Object') return name;
  const tag = value[Symbol.toStringTag];
  if (typeof tag !== 'string') return name;
  if (tagged.has(tag)) return tag;
  if (brands[tag] !== undefined) {
    try {
      brands[tag](value);
      return tag;
    } catch {
      return name;
    }
  }
  return name;
}

module.exports = { className };
