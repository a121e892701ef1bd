'use strict';
// The module util.

const { inspect } = require('internal/inspect');
const { format, formatWithOptions, stripVTControlCharacters } = require('internal/format');
const { ErrnoException, ExceptionWithHostPort, codes: { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } } = require('internal/errors');
const { validateFunction, validateInteger, validateNumber } = require('internal/validators');
const { deprecate } = require('internal/deprecate');
const { isDeepStrictEqual } = require('internal/comparisons');
const types = require('internal/types');
const uv = internalBinding('uv');
const { callSites } = internalBinding('errors');

const custom = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  validateFunction(original, 'original');
  if (original[custom]) {
    validateFunction(original[custom], 'util.promisify.custom');
    return Object.defineProperty(original[custom], custom, { value: original[custom], enumerable: false, writable: false, configurable: true });
  }
  function fn(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (err, value) => (err ? reject(err) : resolve(value))]);
    });
  }
  Object.setPrototypeOf(fn, Object.getPrototypeOf(original));
  Object.defineProperty(fn, custom, { value: fn, enumerable: false, writable: false, configurable: true });
  return Object.defineProperties(fn, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = custom;

function callbackify(original) {
  validateFunction(original, 'original');
  return function callbackified(...args) {
    const callback = args.pop();
    validateFunction(callback, 'last argument');
    Reflect.apply(original, this, args).then(
      (value) => process.nextTick(callback, null, value),
      (err) => process.nextTick(callback, err ?? Object.assign(new Error('Promise was rejected with falsy value'), {
        code: 'ERR_FALSY_VALUE_REJECTION', reason: err,
      })),
    );
  };
}

function inherits(ctor, superCtor) {
  if (ctor === undefined || ctor === null) throw new ERR_INVALID_ARG_TYPE('ctor', 'Function', ctor);
  if (superCtor === undefined || superCtor === null) throw new ERR_INVALID_ARG_TYPE('superCtor', 'Function', superCtor);
  if (superCtor.prototype === undefined) throw new ERR_INVALID_ARG_TYPE('superCtor.prototype', 'Object', superCtor.prototype);
  Object.defineProperty(ctor, 'super_', { value: superCtor, writable: true, configurable: true });
  Object.setPrototypeOf(ctor.prototype, superCtor.prototype);
}

function checkErrno(err) {
  validateNumber(err, 'err');
  if (err >= 0 || !Number.isSafeInteger(err)) throw new ERR_OUT_OF_RANGE('err', 'a negative integer', err);
}

function getSystemErrorName(err) {
  checkErrno(err);
  return uv.errname(err);
}

function getSystemErrorMessage(err) {
  checkErrno(err);
  return uv.getErrorMap().get(err)?.[1];
}

function debuglog(set) {
  const wanted = (process.env.NODE_DEBUG ?? '').toUpperCase().split(',');
  const enabled = wanted.includes(`${set}`.toUpperCase());
  const log = (...args) => {
    if (enabled) process.stderr.write(`${`${set}`.toUpperCase()} ${process.pid}: ${format(...args)}\n`);
  };
  log.enabled = enabled;
  return log;
}

function styleText(styles, text) {
  const list = Array.isArray(styles) ? styles : [styles];
  for (const s of list) {
    const codes = inspect.colors[s];
    if (codes === undefined) throw new ERR_INVALID_ARG_VALUE('format', s, `must be one of: ${Object.keys(inspect.colors).join(', ')}`);
    text = `\x1b[${codes[0]}m${text}\x1b[${codes[1]}m`;
  }
  return text;
}

function parseArgs(config = {}) {
  const { args = process.argv.slice(2), options = {}, strict = true, allowPositionals = !strict } = config;
  const values = {};
  const positionals = [];
  const set = (name, value) => {
    if (options[name]?.multiple) (values[name] ??= []).push(value);
    else values[name] = value;
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === '--') {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!/^-./.test(arg)) {
      if (!allowPositionals) throw new TypeError(`Unexpected argument '${arg}'. This command does not take positional arguments`);
      positionals.push(arg);
      continue;
    }
    let name = arg.replace(/^--?/, '');
    let value;
    if (name.includes('=')) [name, value] = [name.slice(0, name.indexOf('=')), name.slice(name.indexOf('=') + 1)];
    if (!arg.startsWith('--')) name = Object.keys(options).find((k) => options[k].short === name) ?? name;
    if (options[name] === undefined && strict) throw new TypeError(`Unknown option '${arg}'`);
    if (options[name]?.type === 'string' && value === undefined) value = args[++i];
    set(name, options[name]?.type === 'string' ? value : value ?? true);
  }
  for (const [name, option] of Object.entries(options)) if (values[name] === undefined && option.default !== undefined) values[name] = option.default;
  return { values, positionals };
}

function toUSVString(text) { return `${text}`.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD'); }

module.exports = {
  _errnoException: (...args) => new ErrnoException(...args),
  _exceptionWithHostPort: (...args) => new ExceptionWithHostPort(...args),
  _extend: (a, b) => (b !== null && typeof b === 'object' ? Object.assign(a, b) : a),
  callbackify, debug: debuglog, debuglog, deprecate, format, formatWithOptions,
  getCallSites(count = 8) {
    if (typeof count === 'object') count = 8;
    validateInteger(count, 'frameCount', 1, 200);
    return callSites(1, count);
  },
  getSystemErrorMap: () => uv.getErrorMap(), getSystemErrorName, getSystemErrorMessage,
  inherits, inspect, isArray: Array.isArray, isDeepStrictEqual, parseArgs, promisify, stripVTControlCharacters, styleText, toUSVString,
  types,
};
for (const [module, name] of [['internal/encoding', 'TextDecoder'], ['internal/encoding', 'TextEncoder']]) {
  Object.defineProperty(module_(), name, { enumerable: true, configurable: true, get: () => require(module)[name] });
}
function module_() { return module.exports; }
module.exports.aborted = (signal, resource) => new Promise((resolve) => {
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
});
