'use strict';
// Checks of arguments, which throw what Node throws.

const {
  ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_SOCKET_BAD_PORT, ERR_UNKNOWN_SIGNAL,
} = require('internal/errors').codes;

function ofType(type) {
  return (value, name) => {
    if (typeof value !== type) throw new ERR_INVALID_ARG_TYPE(name, type, value);
  };
}

const validateString = ofType('string');
const validateBoolean = ofType('boolean');
const validateFunction = (value, name) => {
  if (typeof value !== 'function') throw new ERR_INVALID_ARG_TYPE(name, 'Function', value);
};

function validateNumber(value, name, min, max) {
  if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
  if ((min != null && value < min) || (max != null && value > max) || ((min != null || max != null) && Number.isNaN(value))) {
    const bounds = [];
    if (min != null) bounds.push(`>= ${min}`);
    if (max != null) bounds.push(`<= ${max}`);
    throw new ERR_OUT_OF_RANGE(name, bounds.join(' && '), value);
  }
}

function validateInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
  if (!Number.isInteger(value)) throw new ERR_OUT_OF_RANGE(name, 'an integer', value);
  if (value < min || value > max) throw new ERR_OUT_OF_RANGE(name, `>= ${min} && <= ${max}`, value);
}

const validateInt32 = (value, name, min = -2147483648, max = 2147483647) => validateInteger(value, name, min, max);

function validateUint32(value, name, positive = false) {
  validateInteger(value, name, positive ? 1 : 0, 4294967295);
}

function validateOneOf(value, name, allowed) {
  if (allowed.includes(value)) return;
  const words = allowed.map((v) => (typeof v === 'string' ? `'${v}'` : String(v))).join(', ');
  throw new ERR_INVALID_ARG_VALUE(name, value, `must be one of: ${words}`);
}

function validateObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ERR_INVALID_ARG_TYPE(name, 'Object', value);
  }
}

function validateArray(value, name, minLength = 0) {
  if (!Array.isArray(value)) throw new ERR_INVALID_ARG_TYPE(name, 'Array', value);
  if (value.length < minLength) throw new ERR_INVALID_ARG_VALUE(name, value, `must be longer than ${minLength}`);
}

function validateAbortSignal(value, name) {
  if (value !== undefined && (value === null || typeof value !== 'object' || !('aborted' in value))) {
    throw new ERR_INVALID_ARG_TYPE(name, 'AbortSignal', value);
  }
}

// validatePort returns the port as a number; text is a number too.
function validatePort(port, name = 'Port', allowZero = true) {
  if ((typeof port !== 'number' && typeof port !== 'string') || (typeof port === 'string' && port.trim() === '') ||
      +port !== (+port >>> 0) || port > 0xFFFF || (port === 0 && !allowZero)) {
    throw new ERR_SOCKET_BAD_PORT(name, port, allowZero);
  }
  return port | 0;
}

function validateSignalName(signal) {
  const { signals } = require('os').constants;
  if (signals[signal] === undefined) throw new ERR_UNKNOWN_SIGNAL(signal);
}

module.exports = {
  validateAbortSignal, validateArray, validateBoolean, validateFunction, validateInt32, validateInteger, validateNumber,
  validateObject, validateOneOf, validatePort, validateSignalName, validateString, validateUint32,
};
