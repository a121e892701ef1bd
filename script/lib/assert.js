'use strict';
// The module assert.

const { inspect } = require('internal/inspect');
const { isDeepEqual, isDeepStrictEqual, isPartialStrictEqual } = require('internal/comparisons');
const types = require('internal/types');
const { difference } = require('internal/difference');
const { formatStack } = internalBinding('errors');
const { codes: { ERR_AMBIGUOUS_ARGUMENT, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_RETURN_VALUE, ERR_MISSING_ARGS } } = require('internal/errors');
const { validateFunction } = require('internal/validators');

class AssertionError extends Error {
  constructor(options) {
    if (options === null || typeof options !== 'object') throw new ERR_INVALID_ARG_TYPE('options', 'Object', options);
    const { message, operator, actual, expected } = options;
    super(message != null ? String(message) : difference(actual, expected, operator));
    this.generatedMessage = !message;
    Object.defineProperty(this, 'name', {
      value: 'AssertionError [ERR_ASSERTION]', enumerable: false, writable: true, configurable: true,
    });
    this.code = 'ERR_ASSERTION';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    this.diff = options.diff ?? 'simple';
    this.stack = formatStack(this.stack);
    this.name = 'AssertionError';
  }
  toString() { return `${this.name} [${this.code}]: ${this.message}`; }
  [inspect.custom](depth, options) {
    return inspect(this, { ...options, customInspect: false, depth: 0 });
  }
}

function fail(options) {
  if (options.message instanceof Error) throw options.message;
  if (typeof options.message === 'function') options.message = options.message(options.actual, options.expected);
  throw new AssertionError(options);
}

function innerOk(args) {
  const [value, message] = args;
  if (value) return;
  if (args.length === 0) {
    fail({ actual: value, expected: true, operator: '==', message: 'No value argument passed to `assert.ok()`' });
  }
  if (message == null) {
    const err = new AssertionError({
      actual: value, expected: true, operator: '==',
      message: `The expression evaluated to a falsy value: ${inspect(value)}`,
    });
    err.generatedMessage = true;
    throw err;
  }
  fail({ actual: value, expected: true, message, operator: '==' });
}

const assert = function ok(...args) { innerOk(args); };
assert.ok = (...args) => innerOk(args);
Object.defineProperty(assert.ok, 'name', { value: 'ok' });
assert.AssertionError = AssertionError;

assert.fail = function(message) {
  if (message instanceof Error) throw message;
  const err = new AssertionError({ message: arguments.length === 0 ? 'Failed' : message, operator: 'fail' });
  err.generatedMessage = arguments.length === 0;
  throw err;
};

function two(args) {
  if (args.length < 2) throw new ERR_MISSING_ARGS('actual', 'expected');
}

function relation(operator, holds) {
  const f = function(...args) {
    two(args);
    const [actual, expected, message] = args;
    if (!holds(actual, expected)) fail({ actual, expected, message, operator });
  };
  Object.defineProperty(f, 'name', { value: operator });
  return f;
}

const nan = (v) => typeof v === 'number' && Number.isNaN(v);
assert.equal = relation('==', (a, b) => a == b || (nan(a) && nan(b)));
assert.notEqual = relation('!=', (a, b) => !(a == b || (nan(a) && nan(b))));
assert.deepEqual = relation('deepEqual', isDeepEqual);
assert.notDeepEqual = relation('notDeepEqual', (a, b) => !isDeepEqual(a, b));
assert.deepStrictEqual = relation('deepStrictEqual', isDeepStrictEqual);
assert.notDeepStrictEqual = relation('notDeepStrictEqual', (a, b) => !isDeepStrictEqual(a, b));
assert.strictEqual = relation('strictEqual', Object.is);
assert.notStrictEqual = relation('notStrictEqual', (a, b) => !Object.is(a, b));
assert.partialDeepStrictEqual = relation('partialDeepStrictEqual', isPartialStrictEqual);

// matches checks an error by what throws and rejects were given.
function matches(actual, expected, message, operator) {
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && actual instanceof expected) return;
    if (Object.prototype.isPrototypeOf.call(Error, expected) || expected === Error) {
      const generated = message === undefined;
      const err = new AssertionError({
        actual, expected, operator,
        message: message ?? `The error is expected to be an instance of "${expected.name}". Received ${
          actual instanceof Error ? `"${actual.name}"\n\nError message:\n\n${actual.message}` : `"${inspect(actual, { depth: -1 })}"`}`,
      });
      err.generatedMessage = generated;
      throw actual instanceof Error && generated ? err : err;
    }
    const result = Reflect.apply(expected, {}, [actual]);
    if (result === true) return;
    fail({
      actual, expected, operator,
      message: message ?? `The ${expected.name ? `"${expected.name}" ` : ''}validation function is expected to return "true". ` +
        `Received ${inspect(result)}\n\nCaught error:\n\n${actual}`,
    });
  }
  if (types.isRegExp(expected)) {
    const text = String(actual);
    if (expected.exec(text) !== null) return;
    fail({
      actual, expected, operator,
      message: message ?? `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`,
    });
  }
  if (actual === null || (typeof actual !== 'object' && typeof actual !== 'function')) {
    fail({ actual, expected, message, operator: 'deepStrictEqual' });
  }
  const keys = Object.keys(expected);
  if (expected instanceof Error) keys.push('name', 'message');
  else if (keys.length === 0) throw new ERR_INVALID_ARG_VALUE('error', expected, 'may not be an empty object');
  for (const key of keys) {
    if (typeof actual[key] === 'string' && types.isRegExp(expected[key]) && expected[key].exec(actual[key]) !== null) continue;
    if (key in actual && isDeepStrictEqual(actual[key], expected[key])) continue;
    const pick = (from, like) => Object.fromEntries(keys.filter((k) => k in from).map((k) => [k,
      like !== undefined && typeof like[k] === 'string' && types.isRegExp(from[k]) && from[k].exec(like[k]) !== null ? like[k] : from[k]]));
    fail({ actual: pick(actual), expected: pick(expected, actual), message, operator });
  }
}

function checkExpected(expected, message, operator) {
  if (expected === undefined || expected === null) return;
  if (typeof expected !== 'function' && typeof expected !== 'object') {
    throw new ERR_INVALID_ARG_TYPE('error', ['Object', 'Error', 'Function', 'RegExp'], expected);
  }
}

const nothing = Symbol('nothing');

function expectThrown(operator, actual, expected, message) {
  if (typeof expected === 'string') {
    if (arguments.length === 4 && message !== undefined) {
      throw new ERR_INVALID_ARG_TYPE('error', ['Object', 'Error', 'Function', 'RegExp'], expected);
    }
    if (actual !== nothing && (typeof actual === 'object' && actual !== null ? actual.message === expected : actual === expected)) {
      throw new ERR_AMBIGUOUS_ARGUMENT('error/message', `The error ${typeof actual === 'object' ? `message "${actual.message}"` : `"${actual}"`} is identical to the message.`);
    }
    message = expected;
    expected = undefined;
  }
  checkExpected(expected, message, operator);
  if (actual === nothing) {
    const kind = operator === 'rejects' ? 'rejection' : 'exception';
    fail({
      actual: undefined, expected, operator,
      message: `Missing expected ${kind}${expected?.name ? ` (${expected.name})` : ''}${message ? `: ${message}` : '.'}`,
    });
  }
  if (expected === undefined || expected === null) return;
  matches(actual, expected, message, operator);
}

assert.throws = function throws(fn, ...args) {
  validateFunction(fn, 'fn');
  let thrown = nothing;
  try {
    fn();
  } catch (err) {
    thrown = err;
  }
  expectThrown('throws', thrown, ...args);
};

function expectNone(operator, actual, expected, message) {
  if (actual === nothing) return;
  if (typeof expected === 'string') {
    message = expected;
    expected = undefined;
  }
  if (expected === undefined || (typeof expected === 'function' ? actual instanceof expected : expected.exec?.(String(actual)))) {
    fail({
      actual, expected, operator,
      message: `Got unwanted ${operator === 'doesNotReject' ? 'rejection' : 'exception'}${message ? `: ${message}` : '.'}\n` +
        `Actual message: "${actual?.message}"`,
    });
  }
  throw actual;
}

assert.doesNotThrow = function doesNotThrow(fn, ...args) {
  validateFunction(fn, 'fn');
  let thrown = nothing;
  try {
    fn();
  } catch (err) {
    thrown = err;
  }
  expectNone('doesNotThrow', thrown, ...args);
};

async function outcome(promise) {
  let p = promise;
  if (typeof promise === 'function') {
    p = promise();
    if (typeof p?.then !== 'function') throw new ERR_INVALID_RETURN_VALUE('instance of Promise', 'promiseFn', p);
  } else if (typeof promise?.then !== 'function') {
    throw new ERR_INVALID_ARG_TYPE('promiseFn', ['Function', 'Promise'], promise);
  }
  try {
    await p;
  } catch (err) {
    return err;
  }
  return nothing;
}
assert.rejects = async function rejects(promise, ...args) { expectThrown('rejects', await outcome(promise), ...args); };
assert.doesNotReject = async function doesNotReject(promise, ...args) { expectNone('doesNotReject', await outcome(promise), ...args); };

assert.ifError = function ifError(err) {
  if (err === null || err === undefined) return;
  let message = 'ifError got unwanted exception: ';
  if (typeof err === 'object' && typeof err.message === 'string') {
    message += err.message.length === 0 && err.constructor ? err.constructor.name : err.message;
  } else {
    message += inspect(err);
  }
  const wrapped = new AssertionError({ actual: err, expected: null, operator: 'ifError', message });
  wrapped.generatedMessage = true;
  if (typeof err.stack === 'string') wrapped.stack += `\n  of:\n${formatStack(err.stack)}`;
  throw wrapped;
};

function match(text, regexp, message, want, operator) {
  if (!types.isRegExp(regexp)) throw new ERR_INVALID_ARG_TYPE('regexp', 'RegExp', regexp);
  if (typeof text === 'string' && (regexp.exec(text) !== null) === want) return;
  if (message instanceof Error) throw message;
  const generated = !message;
  const err = new AssertionError({
    actual: text, expected: regexp, operator,
    message: message || (typeof text !== 'string' ?
      `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})` :
      `${want ? 'The input did not match' : 'The input was expected to not match'} the regular expression ${inspect(regexp)}. Input:\n\n${inspect(text)}\n`),
  });
  err.generatedMessage = generated;
  throw err;
}
assert.match = (text, regexp, message) => match(text, regexp, message, true, 'match');
assert.doesNotMatch = (text, regexp, message) => match(text, regexp, message, false, 'doesNotMatch');

function strict(...args) { innerOk(args); }
assert.strict = Object.assign(strict, assert, {
  equal: assert.strictEqual, deepEqual: assert.deepStrictEqual, notEqual: assert.notStrictEqual, notDeepEqual: assert.notDeepStrictEqual,
});
assert.strict.strict = assert.strict;
module.exports = assert;
