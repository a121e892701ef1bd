'use strict';
// What Go asks of the process: to handle what nobody caught, and to say goodbye.

const binding = internalBinding('process');

let exited = false;

// fatal offers a value that was thrown to the script's listeners, and reports whether
// there are any.
function fatal(err, fromPromise) {
  const origin = fromPromise ? 'unhandledRejection' : 'uncaughtException';
  process.emit('uncaughtExceptionMonitor', err, origin);
  if (process.listenerCount('uncaughtException') === 0) return false;
  process.emit('uncaughtException', err, origin);
  return true;
}

// rejections reports a promise that was rejected and has no handler. If nobody listens
// it returns the error that this is.
function rejections(reason, promise) {
  if (process.listenerCount('unhandledRejection') === 0) {
    if (reason !== null && typeof reason === 'object' && Object.hasOwn(reason, 'stack')) return reason;
    const { codes: { ERR_UNHANDLED_REJECTION } } = require('internal/errors');
    const err = new ERR_UNHANDLED_REJECTION(words(reason));
    Object.defineProperty(err, 'name', { value: 'UnhandledPromiseRejection', writable: true, enumerable: false, configurable: true });
    return err;
  }
  process.emit('unhandledRejection', reason, promise);
  return undefined;
}

// words names a value without calling anything of its own.
function words(value) {
  if (typeof value === 'function') return value.name || 'function';
  if (value === null || typeof value !== 'object') return String(value);
  return `#<${Object.getPrototypeOf(value)?.constructor?.name || 'Object'}>`;
}

// rejectionHandled reports a promise that has got its handler after all.
function rejectionHandled(promise) {
  process.emit('rejectionHandled', promise);
}

function beforeExit() {
  process.emit('beforeExit', process.exitCode ?? 0);
}

// atExit tells the listeners and returns the status.
function atExit(code) {
  if (!code && process.exitCode === undefined && require('internal/esm').unsettled()) {
    process._rawDebug('Warning: Detected unsettled top-level await');
    code = 13;
  }
  if (code !== undefined && process.exitCode === undefined) process.exitCode = code;
  if (!exited) {
    exited = true;
    process._exiting = true;
    process.emit('exit', process.exitCode ?? 0);
  }
  return process.exitCode ?? 0;
}

function exit(code) {
  if (code !== undefined) process.exitCode = code;
  if (!exited) {
    exited = true;
    process._exiting = true;
    process.emit('exit', process.exitCode ?? 0);
  }
  binding.reallyExit(Number(process.exitCode ?? 0) || 0);
}

function signal(name) {
  return process.emit(name, name, require('os').constants.signals[name]);
}

module.exports = { atExit, beforeExit, exit, fatal, rejectionHandled, rejections, signal };
