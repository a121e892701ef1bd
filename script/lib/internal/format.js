'use strict';
// util.format: text with values in it.

const { formatNumber, inspect } = require('internal/inspect');
const { codes: { ERR_INVALID_ARG_TYPE } } = require('internal/errors');

// hasOwnWords reports whether an object's text is its program's doing, and not the
// language's.
function hasOwnWords(value) {
  for (let o = value; o !== null; o = Object.getPrototypeOf(o)) {
    if (Object.hasOwn(o, 'toString') || Object.hasOwn(o, Symbol.toPrimitive)) {
      const maker = Object.hasOwn(o, 'constructor') ? o.constructor : undefined;
      return typeof maker !== 'function' || globalThis[maker.name] !== maker;
    }
  }
  return false;
}

// textOf is what %s makes of a value.
function textOf(value, options) {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return formatNumber((t) => t, value);
  if (typeof value !== 'object' || value === null || hasOwnWords(value)) return String(value);
  return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
}

function formatWithOptions(options, ...args) {
  if (typeof options !== 'object' || options === null) throw new ERR_INVALID_ARG_TYPE('inspectOptions', 'object', options);
  const [first] = args;
  let used = 0;
  let text = '';
  let join = '';
  if (typeof first === 'string') {
    if (args.length === 1) return first;
    used = 1;
    text = first.replace(/%([sdifjoOc%])/g, (whole, c) => {
      if (c === '%') return '%';
      if (used >= args.length) return whole;
      const arg = args[used++];
      switch (c) {
        case 's': return textOf(arg, options);
        case 'd':
          if (typeof arg === 'bigint') return `${arg}n`;
          if (typeof arg === 'symbol') return 'NaN';
          return formatNumber((t) => t, Number(arg));
        case 'i':
          if (typeof arg === 'bigint') return `${arg}n`;
          if (typeof arg === 'symbol') return 'NaN';
          return formatNumber((t) => t, parseInt(arg, 10));
        case 'f': return typeof arg === 'symbol' ? 'NaN' : formatNumber((t) => t, parseFloat(arg));
        case 'j':
          try {
            return JSON.stringify(arg);
          } catch (err) {
            if (/circular/i.test(err.message)) return '[Circular]';
            throw err;
          }
        case 'o': return inspect(arg, { ...options, showHidden: true, showProxy: true, depth: 4 });
        case 'O': return inspect(arg, options);
        default: return '';
      }
    });
    join = ' ';
  }
  for (; used < args.length; used++) {
    const arg = args[used];
    text += join;
    text += typeof arg === 'string' ? arg : inspect(arg, options);
    join = ' ';
  }
  return text;
}

const format = (...args) => formatWithOptions({}, ...args);

function stripVTControlCharacters(text) {
  if (typeof text !== 'string') throw new ERR_INVALID_ARG_TYPE('str', 'string', text);
  return text.replace(/[\u001B\u009B][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]/g, '');
}

module.exports = { format, formatWithOptions, stripVTControlCharacters };
