'use strict';
// util.types: what kind of thing a value is, whatever it pretends.

const { proxyDetails } = internalBinding('util');
const { className } = require('internal/kinds');

const of = (...names) => (value) => names.includes(className(value));
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const typed = (name) => (value) => ArrayBuffer.isView(value) && tagOf.call(value) === name;

const namespaces = new WeakSet(); // of modules

const types = {
  isAnyArrayBuffer: (v) => v instanceof ArrayBuffer,
  isArgumentsObject: of('Arguments'),
  isArrayBuffer: (v) => v instanceof ArrayBuffer,
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: of('AsyncFunction'),
  isBigIntObject: of('BigInt'),
  isBooleanObject: of('Boolean'),
  isBoxedPrimitive: (v) => typeof v === 'object' && ['Number', 'String', 'Boolean', 'BigInt', 'Symbol'].includes(className(v)),
  isCryptoKey: () => false,
  isDataView: (v) => v instanceof DataView,
  isDate: of('Date'),
  isExternal: () => false,
  isGeneratorFunction: of('GeneratorFunction'),
  isGeneratorObject: of('Generator'),
  isKeyObject: () => false,
  isMap: of('Map'),
  isMapIterator: of('Map Iterator'),
  isModuleNamespaceObject: (v) => namespaces.has(v),
  isNativeError: of('Error'),
  isNumberObject: of('Number'),
  isPromise: of('Promise'),
  isProxy: (v) => proxyDetails(v) !== undefined,
  isRegExp: of('RegExp'),
  isSet: of('Set'),
  isSetIterator: of('Set Iterator'),
  isSharedArrayBuffer: () => false,
  isStringObject: of('String'),
  isSymbolObject: of('Symbol'),
  isTypedArray: (v) => ArrayBuffer.isView(v) && !(v instanceof DataView),
  isWeakMap: of('WeakMap'),
  isWeakSet: of('WeakSet'),
};
for (const name of ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']) {
  types[`is${name}`] = typed(name);
}

Object.defineProperty(types, 'namespaces', { value: namespaces });
module.exports = types;
