'use strict';
// structuredClone.

const { className } = require('internal/kinds');

function structuredClone(value, options) {
  const { DOMException } = require('internal/abort');
  const seen = new Map();
  const refuse = (v) => {
    const text = typeof v === 'symbol' ? String(v) : typeof v === 'function' ? `${v}` : '#<Object>';
    throw new DOMException(`${text} could not be cloned.`, 'DataCloneError');
  };
  function clone(v) {
    if (typeof v === 'function' || typeof v === 'symbol') refuse(v);
    if (v === null || typeof v !== 'object') return v;
    if (seen.has(v)) return seen.get(v);
    const keep = (copy) => {
      seen.set(v, copy);
      return copy;
    };
    switch (className(v)) {
      case 'Date': return keep(new Date(v.getTime()));
      case 'RegExp': return keep(new RegExp(v.source, v.flags));
      case 'Boolean': case 'Number': case 'String': return keep(Object(v.valueOf()));
      case 'Map': {
        const copy = keep(new Map());
        for (const [k, x] of [...v]) copy.set(clone(k), clone(x));
        return copy;
      }
      case 'Set': {
        const copy = keep(new Set());
        for (const x of [...v]) copy.add(clone(x));
        return copy;
      }
      case 'Error': {
        const known = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
        const copy = keep(new (known[v.name] ?? Error)(v.message));
        copy.stack = v.stack;
        if ('cause' in v) copy.cause = clone(v.cause);
        return copy;
      }
      case 'Promise': case 'WeakMap': case 'WeakSet': return refuse(v);
      default:
    }
    if (v instanceof ArrayBuffer) return keep(v.slice(0));
    if (ArrayBuffer.isView(v)) {
      const buffer = clone(v.buffer);
      const Type = v instanceof Uint8Array ? Uint8Array : v.constructor;
      return keep(new Type(buffer, v.byteOffset, v.length ?? v.byteLength));
    }
    if (Array.isArray(v)) {
      const copy = keep(new Array(v.length));
      for (const k of Object.keys(v)) copy[k] = clone(v[k]);
      return copy;
    }
    const copy = keep({});
    for (const k of Object.keys(v)) copy[k] = clone(v[k]);
    return copy;
  }
  if (arguments.length === 0) throw new (require('internal/errors').codes.ERR_MISSING_ARGS)('The "value" argument');
  return clone(value);
}

module.exports = { structuredClone };
