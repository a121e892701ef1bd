'use strict';
// The global process. Several scripts may share one process of the operating
// system: what is the script's own is here, and no script ends the others.

const EventEmitter = require('events');
const binding = internalBinding('process');
const ticks = require('internal/ticks');
const { codes: { ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE }, ErrnoException } = require('internal/errors');
const { validateInteger, validateObject } = require('internal/validators');

const process = Object.create(EventEmitter.prototype, {
  [Symbol.toStringTag]: { value: 'process', configurable: true },
});
Object.defineProperty(process, 'constructor', {
  value: { process() {} }.process, configurable: true, enumerable: false, writable: true,
});
EventEmitter.call(process);

let exitCode;
Object.assign(process, {
  version: 'v26.0.0',
  versions: { node: '26.0.0', goja: binding.engine, uv: '1.52.0' },
  arch: binding.arch,
  platform: binding.platform,
  release: { name: 'castnet' },
  argv: [binding.execPath, '', ...(binding.argv ?? [])],
  execArgv: [...(binding.execArgv ?? [])],
  env: new Proxy(binding.env, {
    set(env, key, value) {
      env[key] = `${value}`;
      return true;
    },
  }),
  argv0: 'castnet',
  execPath: binding.execPath,
  pid: binding.pid,
  ppid: binding.ppid,
  title: 'castnet',
  debugPort: 0,
  features: {
    inspector: false, debug: false, uv: true, ipv6: true, tls_alpn: false, tls_sni: false, tls_ocsp: false, tls: false,
    cached_builtins: true, typescript: false,
  },
  config: { target_defaults: { default_configuration: 'Release' }, variables: { v8_enable_i18n_support: 0, node_shared: false } },
  allowedNodeEnvironmentFlags: new Set(),
  _exiting: false,
  noDeprecation: binding.execArgv.includes('--no-deprecation'),
  nextTick: ticks.nextTick,
  cwd: binding.cwd,
  uptime: () => binding.now() / 1000,
  umask: () => binding.umask(),
  memoryUsage: binding.memoryUsage,
  getActiveResourcesInfo: () => [...binding.activeResources()],
  _getActiveHandles: () => [],
  _getActiveRequests: () => [],
  getuid: () => binding.uid,
  geteuid: () => binding.uid,
  getgid: () => binding.gid,
  getegid: () => binding.gid,
  hasUncaughtExceptionCaptureCallback: () => false,
  abort() { binding.reallyExit(134); },
  _rawDebug(...args) { binding.write(2, `${require('util').format(...args)}\n`); },
  reallyExit: (code) => binding.reallyExit(code),
  exit(code) { require('internal/process').exit(code); },
});
process.memoryUsage.rss = () => binding.memoryUsage().rss;
if (binding.execArgv.includes('--expose-gc') || binding.execArgv.includes('--expose_gc')) globalThis.gc = () => binding.gc();

Object.defineProperty(process, 'exitCode', {
  configurable: true, enumerable: true,
  get() { return exitCode; },
  set(value) {
    if (value !== null && value !== undefined) {
      let number = value;
      if (typeof value === 'string' && value !== '' && Number.isInteger(+value)) number = +value;
      validateInteger(number, 'code');
    }
    exitCode = value;
  },
});

process.chdir = function chdir(directory) {
  const path = require('path').resolve(`${directory}`);
  const stats = require('fs').statSync(path);
  if (!stats.isDirectory()) throw new ErrnoException(internalBinding('uv').UV_ENOTDIR, 'chdir');
  binding.chdir(path);
};

process.hrtime = function hrtime(time) {
  const [seconds, nanos] = binding.hrtime();
  if (time === undefined) return [seconds, nanos];
  if (!Array.isArray(time)) throw new ERR_INVALID_ARG_TYPE('time', 'Array', time);
  const s = seconds - time[0];
  const n = nanos - time[1];
  return n < 0 ? [s - 1, n + 1e9] : [s, n];
};
process.hrtime.bigint = () => {
  const [seconds, nanos] = binding.hrtime();
  return BigInt(seconds) * 1000000000n + BigInt(nanos);
};

// cpuUsage is of the whole process, which other scripts may be part of.
process.cpuUsage = function cpuUsage(before) {
  const [user, system] = binding.cpuUsage();
  return before === undefined ? { user, system } : { user: user - before.user, system: system - before.system };
};
process.resourceUsage = () => ({ userCPUTime: 0, systemCPUTime: 0, maxRSS: 0 });

// A script cannot signal other processes; itself it can, by events.
process.kill = function kill(pid, signal = 'SIGTERM') {
  validateInteger(pid, 'pid');
  const { signals } = require('os').constants;
  const name = typeof signal === 'number' ? Object.keys(signals).find((k) => signals[k] === signal) : signal;
  if (signal !== 0 && signals[name] === undefined) throw new (require('internal/errors').codes.ERR_UNKNOWN_SIGNAL)(signal);
  if (pid !== process.pid && pid !== 0) throw new ERR_FEATURE_UNAVAILABLE('process.kill of another process');
  if (signal === 0) return true;
  // Nobody but a listener comes between a signal and the end, not even 'exit'.
  if (process.listenerCount(name) === 0) binding.reallyExit(128 + signals[name]);
  else require('timers').setImmediate(() => process.emit(name, name, signals[name]));
  return true;
};

process.emitWarning = function emitWarning(warning, type, code, ctor) {
  let detail;
  if (type !== null && typeof type === 'object' && !Array.isArray(type)) ({ type, code, detail, ctor } = type);
  if (typeof type === 'function') type = undefined;
  if (typeof code === 'function') code = undefined;
  if (typeof warning === 'string') {
    const message = warning;
    warning = new Error(message);
    warning.name = String(type || 'Warning');
    if (code !== undefined) warning.code = code;
    if (detail !== undefined) warning.detail = detail;
  } else if (!(warning instanceof Error)) {
    throw new ERR_INVALID_ARG_TYPE('warning', ['Error', 'string'], warning);
  }
  if (warning.name === 'DeprecationWarning') {
    if (process.noDeprecation) return;
    if (process.throwDeprecation) {
      process.nextTick(() => { throw warning; });
      return;
    }
  }
  process.nextTick(() => process.emit('warning', warning));
};

process.on('warning', (warning) => {
  if (binding.execArgv.includes('--no-warnings') || process.env.NODE_NO_WARNINGS === '1') return;
  if (warning.name === 'DeprecationWarning' && process.noDeprecation) return;
  const code = warning.code ? `[${warning.code}] ` : '';
  const text = `(castnet:${process.pid}) ${code}${warning.name}: ${warning.message}`;
  binding.write(2, `${warning.detail ? `${text}\n${warning.detail}` : text}\n`);
});

process.binding = function(name) {
  throw new ERR_INVALID_ARG_VALUE('module', name, 'is no binding of castnet');
};

process.setUncaughtExceptionCaptureCallback = () => { throw new ERR_FEATURE_UNAVAILABLE('setUncaughtExceptionCaptureCallback'); };
process.getBuiltinModule = (id) => {
  validateObject({}, 'x');
  const { builtinModules } = require('module');
  const name = `${id}`.replace(/^node:/, '');
  return builtinModules.includes(name) ? require(name) : undefined;
};

for (const name of ['stdin', 'stdout', 'stderr']) {
  Object.defineProperty(process, name, {
    configurable: true, enumerable: true,
    get() {
      const stream = require('internal/stdio')[name]();
      Object.defineProperty(process, name, { value: stream, configurable: true, enumerable: true });
      return stream;
    },
  });
}

module.exports = process;
