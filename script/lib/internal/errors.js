'use strict';
// The errors that Node's modules throw: a class for each code and base, with
// Node's messages. What the network refuses becomes an Error with code, errno and
// syscall, by the functions at the end.

const { formatStack } = internalBinding('errors');
const { getErrorMap } = internalBinding('uv');

const kIsNodeError = Symbol('kIsNodeError');
const messages = new Map();

let inspector;
function inspect(value, options) {
  inspector ??= require('internal/inspect').inspect;
  return inspector(value, options);
}

// titled gives an error the stack whose first line carries the code: the engine
// composes it from the name when it is first asked for.
function titled(err, name, code) {
  Object.defineProperty(err, 'name', { value: `${name} [${code}]`, configurable: true, writable: true, enumerable: false });
  err.stack = formatStack(err.stack);
  delete err.name;
  return err;
}

function compose(code, args, self) {
  const message = messages.get(code);
  if (typeof message === 'function') return Reflect.apply(message, self, args);
  let i = 0;
  return message.replace(/%s/g, () => String(args[i++]));
}

// A constructor of errors with a code makes plain instances of Base: what is thrown
// is a TypeError, say, and not a class of its own.
function makeClass(Base, code) {
  return function NodeError(...args) {
    const err = new Base();
    Object.defineProperties(err, {
      [kIsNodeError]: { value: true, enumerable: false, writable: true, configurable: true },
      message: { value: compose(code, args, err), enumerable: false, writable: true, configurable: true },
      toString: {
        value() { return `${this.name} [${code}]: ${this.message}`; },
        enumerable: false, writable: true, configurable: true,
      },
    });
    titled(err, err.name, code);
    err.code = code;
    return err;
  };
}

// A SystemError says which call of the layer below failed; its context holds the
// particulars, which are properties of the error too.
class SystemErrorBase extends Error {
  constructor(key, context) {
    super();
    let message = `${messages.get(key)}: ${context.syscall} returned ${context.code} (${context.message})`;
    if (context.path !== undefined) message += ` ${context.path}`;
    if (context.dest !== undefined) message += ` => ${context.dest}`;
    Object.defineProperties(this, {
      message: { value: message, enumerable: false, writable: true, configurable: true },
      name: { value: 'SystemError', enumerable: false, writable: true, configurable: true },
    });
    const name = Object.getOwnPropertyDescriptor(this, 'name');
    titled(this, 'SystemError', key);
    Object.defineProperty(this, 'name', name);
    this.code = key;
    Object.defineProperty(this, 'info', { value: context, enumerable: true, configurable: true, writable: false });
    for (const field of ['errno', 'syscall']) {
      Object.defineProperty(this, field, {
        get() { return context[field]; },
        set(value) { context[field] = value; },
        enumerable: true, configurable: true,
      });
    }
  }
  toString() { return `${this.name} [${this.code}]: ${this.message}`; }
  [Symbol.for('nodejs.util.inspect.custom')](depth, options) {
    return inspect(this, { ...options, getters: true, customInspect: false });
  }
}
Object.defineProperty(SystemErrorBase.prototype, kIsNodeError, { value: true });

const codes = {};
function define(code, message, Base, ...others) {
  messages.set(code, message);
  if (Base === SystemErrorBase) {
    codes[code] = class SystemError extends SystemErrorBase {
      constructor(context) { super(code, context); }
    };
    return;
  }
  codes[code] = makeClass(Base, code);
  for (const Other of others) codes[code][Other.name] = makeClass(Other, code);
}

const primitiveTypes = ['string', 'function', 'number', 'object', 'Function', 'Object', 'boolean', 'bigint', 'symbol'];

function list(words, last) {
  if (words.length < 3) return words.join(` ${last} `);
  return `${words.slice(0, -1).join(', ')}, ${last} ${words[words.length - 1]}`;
}

// received describes a value that was not what it should be.
function received(value) {
  if (value == null) return ` Received ${value}`;
  if (typeof value === 'function') return value.name ? ` Received function ${value.name}` : ' Received function ';
  if (typeof value === 'object') {
    if (value.constructor?.name) return ` Received an instance of ${value.constructor.name}`;
    return ` Received ${inspect(value, { depth: -1 })}`;
  }
  let text = inspect(value, { colors: false });
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${text})`;
}

function subject(name) {
  if (name.endsWith(' argument')) return `The ${name} `;
  return `The "${name}" ${name.includes('.') ? 'property' : 'argument'} `;
}

define('ERR_INVALID_ARG_TYPE', (name, expected, actual) => {
  if (!Array.isArray(expected)) expected = [expected];
  const types = [];
  const instances = [];
  const others = [];
  for (const word of expected) {
    if (primitiveTypes.includes(word)) types.push(word.toLowerCase());
    else if (/^([A-Z][a-z0-9]*)+$/.test(word)) instances.push(word);
    else others.push(word);
  }
  // An object is an instance of something too.
  if (instances.length > 0 && types.includes('object')) {
    types.splice(types.indexOf('object'), 1);
    instances.push('Object');
  }
  const parts = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${list(types, 'or')}`);
  if (instances.length > 0) parts.push(`an instance of ${list(instances, 'or')}`);
  if (others.length > 1) parts.push(`one of ${list(others, 'or')}`);
  else if (others.length === 1) parts.push(`${others[0].toLowerCase() !== others[0] ? 'an ' : ''}${others[0]}`);
  return `${subject(name)}must be ${parts.join(' or ')}.${received(actual)}`;
}, TypeError);

define('ERR_INVALID_ARG_VALUE', (name, value, reason = 'is invalid') => {
  let text = inspect(value);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  return `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${text}`;
}, TypeError, RangeError);

// grouped writes a number with an underscore every three digits.
function grouped(text) {
  const sign = text.startsWith('-') ? '-' : '';
  return sign + text.slice(sign.length).replace(/\B(?=(\d{3})+(?!\d))/g, '_');
}

define('ERR_OUT_OF_RANGE', (name, range, value, replaceDefault = false) => {
  let text;
  if (Number.isInteger(value) && Math.abs(value) > 2 ** 32) {
    text = grouped(String(value));
  } else if (typeof value === 'bigint') {
    text = String(value);
    if (value > 2n ** 32n || value < -(2n ** 32n)) text = grouped(text);
    text += 'n';
  } else {
    text = inspect(value);
  }
  return `${replaceDefault ? name : `The value of "${name}" is out of range.`} It must be ${range}. Received ${text}`;
}, RangeError);

define('ERR_MISSING_ARGS', (...args) => {
  const names = args.map((a) => (Array.isArray(a) ? a.map((n) => `"${n}"`).join(' or ') : `"${a}"`));
  return `The ${list(names, 'and')} argument${args.length > 1 ? 's' : ''} must be specified`;
}, TypeError);

define('ERR_SOCKET_ALREADY_BOUND', 'Socket is already bound', Error);
define('ERR_SOCKET_BAD_BUFFER_SIZE', 'Buffer size must be a positive integer', TypeError);
define('ERR_SOCKET_BAD_PORT', (name, port, allowZero = true) =>
  `${name} should be ${allowZero ? '>=' : '>'} 0 and < 65536.${received(port)}.`, RangeError);
define('ERR_SOCKET_BAD_TYPE', 'Bad socket type specified. Valid types are: udp4, udp6', TypeError);
define('ERR_SOCKET_BUFFER_SIZE', 'Could not get or set buffer size', SystemErrorBase);
define('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected', Error);
define('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'Not connected', Error);
define('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running', Error);
define('ERR_BUFFER_OUT_OF_BOUNDS', (name) =>
  (name ? `"${name}" is outside of buffer bounds` : 'Attempt to access memory outside buffer bounds'), RangeError);
define('ERR_INVALID_FD_TYPE', 'Unsupported fd type: %s', TypeError);
define('ERR_IP_BLOCKED', (ip) => `IP(${ip}) is blocked by net.BlockList`, Error);

define('ERR_AMBIGUOUS_ARGUMENT', 'The "%s" argument is ambiguous. %s', TypeError);
define('ERR_ASSERTION', '%s', Error);
define('ERR_ASYNC_TYPE', 'Invalid name for async "type": %s', TypeError);
define('ERR_CHILD_PROCESS_UNSUPPORTED', 'castnet runs no other processes: %s', Error);
define('ERR_CONSTRUCT_CALL_REQUIRED', 'Class constructor %s cannot be invoked without `new`', TypeError);
define('ERR_CRYPTO_INVALID_AUTH_TAG', 'Invalid authentication tag length: %s', TypeError);
define('ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector', TypeError);
define('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError);
define('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation %s', Error);
define('ERR_CRYPTO_UNKNOWN_CIPHER', 'Unknown cipher', Error);
define('ERR_ENCODING_INVALID_ENCODED_DATA', 'The encoded data was not valid for encoding %s', TypeError);
define('ERR_ENCODING_NOT_SUPPORTED', 'The "%s" encoding is not supported', RangeError);
define('ERR_EVENT_RECURSION', 'The event "%s" is already being dispatched', Error);
define('ERR_FEATURE_UNAVAILABLE', '%s is not available to scripts of castnet', Error);
define('ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor', TypeError);
define('ERR_INVALID_ADDRESS', 'Invalid socket address', Error);
define('ERR_INVALID_ASYNC_ID', 'Invalid %s value: %s', RangeError);
define('ERR_INVALID_BUFFER_SIZE', 'Buffer size must be a multiple of %s', RangeError);
define('ERR_INVALID_FILE_URL_HOST', 'File URL host must be "localhost" or empty on linux', TypeError);
define('ERR_INVALID_FILE_URL_PATH', 'File URL path %s', TypeError);
define('ERR_INVALID_IP_ADDRESS', 'Invalid IP address: %s', TypeError);
define('ERR_INVALID_MODULE_SPECIFIER', 'Invalid module "%s"', TypeError);
define('ERR_INVALID_RETURN_VALUE', (input, name, value) =>
  `Expected ${input} to be returned from the "${name}" function but got ${
    value?.constructor?.name ? `an instance of ${value.constructor.name}` : `type ${typeof value}`}.`, TypeError, RangeError);
define('ERR_INVALID_THIS', 'Value of "this" must be of type %s', TypeError);
define('ERR_INVALID_URI', 'URI malformed', URIError);
define('ERR_INVALID_URL', 'Invalid URL', TypeError);
define('ERR_INVALID_URL_SCHEME', 'The URL must be of scheme %s', TypeError);
define('ERR_METHOD_NOT_IMPLEMENTED', 'The %s method is not implemented', Error);
define('ERR_MODULE_NOT_FOUND', "Cannot find %s '%s' imported from %s", Error);
define('ERR_OPERATION_FAILED', 'Operation failed: %s', Error);
define('ERR_UNCAUGHT_EXCEPTION_CAPTURE_ALREADY_SET',
  '`process.setupUncaughtExceptionCapture()` was called while a capture callback was already active', Error);
define('ERR_BUFFER_TOO_LARGE', 'Cannot create a Buffer larger than %s bytes', RangeError);
define('ERR_MULTIPLE_CALLBACK', 'Callback called multiple times', Error);
define('ERR_STREAM_ALREADY_FINISHED', 'Cannot call %s after a stream was finished', Error);
define('ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable', Error);
define('ERR_STREAM_DESTROYED', 'Cannot call %s after a stream was destroyed', Error);
define('ERR_STREAM_NULL_VALUES', 'May not write null values to stream', TypeError);
define('ERR_STREAM_PREMATURE_CLOSE', 'Premature close', Error);
define('ERR_STREAM_PUSH_AFTER_EOF', 'stream.push() after EOF', Error);
define('ERR_STREAM_UNSHIFT_AFTER_END_EVENT', 'stream.unshift() after end event', Error);
define('ERR_STREAM_WRITE_AFTER_END', 'write after end', Error);
define('ERR_UNHANDLED_ERROR', (err) => (err === undefined ? 'Unhandled error.' : `Unhandled error. (${err})`), Error);
define('ERR_UNHANDLED_REJECTION', (reason) =>
  'This error originated either by throwing inside of an async function without a catch block, or by rejecting a ' +
  `promise which was not handled with .catch(). The promise rejected with the reason "${reason}".`, Error);
define('ERR_UNKNOWN_BUILTIN_MODULE', 'No such built-in module: %s', Error);
define('ERR_UNKNOWN_ENCODING', 'Unknown encoding: %s', TypeError);
define('ERR_UNKNOWN_SIGNAL', 'Unknown signal: %s', TypeError);
define('ERR_UNAVAILABLE_DURING_EXIT', 'Cannot call function in process exit handler', Error);

// errorName returns the name and the words of a negative errno.
function errorName(errno) {
  const entry = getErrorMap().get(errno);
  return entry ?? [`Unknown system error ${errno}`, `Unknown system error ${errno}`];
}

function endpoint(address, port, additional) {
  let text = '';
  if (port && port > 0) text = ` ${address}:${port}`;
  else if (address) text = ` ${address}`;
  if (additional) text += ` - Local (${additional})`;
  return text;
}

// made completes an error: its fields, and its stack in Node's form.
function made(message, fields) {
  const err = new Error(message);
  for (const name of Object.keys(fields)) {
    if (fields[name] !== undefined) err[name] = fields[name];
  }
  err.stack = formatStack(err.stack);
  return err;
}

// An ErrnoException is what a call below returned, as an error: "bind EBADF".
function ErrnoException(errno, syscall, original) {
  const [code] = errorName(errno);
  return made(original ? `${syscall} ${code} ${original}` : `${syscall} ${code}`, { errno, code, syscall });
}

// An ExceptionWithHostPort also says whom it is about: "send EACCES 10.0.0.1:7".
function ExceptionWithHostPort(errno, syscall, address, port, additional) {
  const [code] = errorName(errno);
  return made(`${syscall} ${code}${endpoint(address, port, additional)}`,
    { errno, code, syscall, address, port: port || undefined });
}

// A DNSException is what a lookup ended with: "getaddrinfo ENOTFOUND nowhere".
function DNSException(errno, syscall, hostname) {
  const code = typeof errno === 'string' ? errno : errorName(errno)[0];
  return made(`${syscall} ${code}${hostname ? ` ${hostname}` : ''}`,
    { errno: typeof errno === 'string' ? undefined : errno, code, syscall, hostname: hostname || undefined });
}

// A FileException is what a call on files returned: "ENOENT: no such file or directory, open 'x'".
function FileException(errno, syscall, path, dest) {
  const [code, words] = errorName(errno);
  let message = `${code}: ${words}, ${syscall}`;
  if (path !== undefined) message += ` '${path}'`;
  if (dest !== undefined) message += ` -> '${dest}'`;
  return made(message, { errno, code, syscall, path, dest });
}

// An AbortError says that an AbortSignal has ended something.
class AbortError extends Error {
  constructor(message = 'The operation was aborted', options = undefined) {
    if (options !== undefined && typeof options !== 'object') {
      throw new codes.ERR_INVALID_ARG_TYPE('options', 'Object', options);
    }
    super(message, options);
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

// aggregateTwoErrors joins two errors that came of one thing.
function aggregateTwoErrors(inner, outer) {
  if (!inner || !outer || inner === outer) return inner || outer;
  if (Array.isArray(outer.errors)) {
    outer.errors.push(inner);
    return outer;
  }
  const err = new AggregateError([outer, inner], outer.message);
  err.code = outer.code;
  return err;
}

module.exports = {
  AbortError, DNSException, ErrnoException, ExceptionWithHostPort, FileException, aggregateTwoErrors, codes, errorName,
  kIsNodeError, received,
};
