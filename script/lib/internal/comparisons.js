'use strict';
// Deep equality, loose and strict, as assert and util.isDeepStrictEqual have it.

const { className } = require('internal/kinds');
const types = require('internal/types');

function keysOf(value, strict) {
  const keys = Object.keys(value);
  if (!strict) return keys;
  return [...keys, ...Object.getOwnPropertySymbols(value).filter((s) => Object.prototype.propertyIsEnumerable.call(value, s))];
}

function isDeepEqual(a, b, strict, partial = false) {
  return compare(a, b, strict, new Map(), partial);
}

function compare(a, b, strict, seen, partial) {
  if (a === b) return a !== 0 || !strict || Object.is(a, b);
  if (strict) {
    if (typeof a !== 'object') return typeof a === 'number' && Number.isNaN(a) && Number.isNaN(b);
    if (typeof b !== 'object' || a === null || b === null) return false;
    if (!partial && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  } else {
    if (a === null || typeof a !== 'object') {
      return (b === null || typeof b !== 'object') && (a == b || (Number.isNaN(a) && Number.isNaN(b)));
    }
    if (b === null || typeof b !== 'object') return false;
  }
  const kind = className(a);
  if (kind !== className(b)) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (types.isDate(a) && Date.prototype.getTime.call(a) !== Date.prototype.getTime.call(b) &&
      !(Number.isNaN(a.getTime()) && Number.isNaN(b.getTime()))) return false;
  if (types.isRegExp(a) && (a.source !== b.source || a.flags !== b.flags || a.lastIndex !== b.lastIndex)) return false;
  if (types.isNativeError(a) || a instanceof Error) {
    if ((!partial || b.message !== '') && (a.message !== b.message || a.name !== b.name)) return false;
    for (const name of ['cause', 'errors']) {
      if (Object.hasOwn(a, name) !== Object.hasOwn(b, name)) return false;
      if (Object.hasOwn(a, name) && !compare(a[name], b[name], strict, seen, partial)) return false;
    }
  }
  if (types.isBoxedPrimitive(a) && !Object.is(a.valueOf(), b.valueOf())) return false;
  if (ArrayBuffer.isView(a)) {
    if (!ArrayBuffer.isView(b)) return false;
    if (types.isTypedArray(a)) {
      if (a.length !== b.length) return false;
      for (let i = 0; i < a.length; i++) {
        if (strict ? !Object.is(a[i], b[i]) : a[i] !== b[i] && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return false;
      }
    } else if (!sameBytes(a.buffer, b.buffer)) {
      return false;
    }
  } else if (a instanceof ArrayBuffer && !sameBytes(a, b)) {
    return false;
  }
  // A comparison that is under way holds, as far as it is concerned.
  if (seen.has(a)) return seen.get(a) === b;
  seen.set(a, b);
  const result = sameContents(a, b, strict, seen, partial) && sameKeys(a, b, strict, seen, partial);
  seen.delete(a);
  return result;
}

function sameBytes(a, b) {
  const x = new Uint8Array(a);
  const y = new Uint8Array(b);
  return x.length === y.length && x.every((v, i) => v === y[i]);
}

function sameContents(a, b, strict, seen, partial) {
  if (types.isSet(a)) {
    if (partial ? a.size < b.size : a.size !== b.size) return false;
    const left = [...a];
    for (const v of [...b]) {
      let at = left.indexOf(v);
      if (at < 0) at = left.findIndex((w) => compare(w, v, strict, seen, partial));
      if (at < 0) return false;
      left.splice(at, 1);
    }
  } else if (types.isMap(a)) {
    if (partial ? a.size < b.size : a.size !== b.size) return false;
    const left = [...a];
    for (const [k, v] of [...b]) {
      const at = left.findIndex(([x, y]) => (Object.is(x, k) || compare(x, k, strict, seen, partial)) && compare(y, v, strict, seen, partial));
      if (at < 0) return false;
      left.splice(at, 1);
    }
  }
  return true;
}

function sameKeys(a, b, strict, seen, partial) {
  const isView = types.isTypedArray(a);
  const keep = (k) => !isView || typeof k === 'symbol' || !/^\d+$/.test(k);
  const keysA = keysOf(a, strict).filter(keep);
  const keysB = keysOf(b, strict).filter(keep);
  if (partial && Array.isArray(a)) {
    // What is expected occurs, in order.
    let from = 0;
    for (const v of b) {
      while (from < a.length && !compare(a[from], v, strict, seen, partial)) from++;
      if (from++ >= a.length) return false;
    }
    return true;
  }
  if (!partial && keysA.length !== keysB.length) return false;
  if (Array.isArray(a) && !partial && a.length !== b.length) return false;
  for (const k of keysB) {
    if (!Object.prototype.propertyIsEnumerable.call(a, k) && !(partial && k in a)) return false;
    if (!compare(a[k], b[k], strict, seen, partial)) return false;
  }
  return true;
}

module.exports = {
  isDeepEqual: (a, b) => isDeepEqual(a, b, false),
  isDeepStrictEqual: (a, b) => isDeepEqual(a, b, true),
  isPartialStrictEqual: (a, b) => isDeepEqual(a, b, true, true),
};
