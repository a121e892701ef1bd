'use strict';
// The global console, and consoles on other streams.

const { inspect } = require('internal/inspect');
const { formatWithOptions } = require('internal/format');
const { codes: { ERR_INVALID_ARG_TYPE } } = require('internal/errors');

class Console {
  #out;
  #err;
  #options;
  #indent = '';
  #counts = new Map();
  #timers = new Map();
  constructor(stdout, stderr = stdout) {
    let options = {};
    if (stdout !== null && typeof stdout === 'object' && typeof stdout.write !== 'function') {
      options = stdout.inspectOptions ?? {};
      ({ stdout, stderr = stdout } = stdout);
    }
    if (typeof stdout !== 'function' && typeof stdout?.write !== 'function') {
      throw new ERR_INVALID_ARG_TYPE('stdout', 'Stream', stdout);
    }
    // A function makes the stream when it is first needed.
    this.#out = typeof stdout === 'function' ? stdout : () => stdout;
    this.#err = typeof stderr === 'function' ? stderr : () => stderr;
    this.#options = options;
    // Methods may be taken off the console.
    for (const name of Object.getOwnPropertyNames(Console.prototype)) {
      if (name !== 'constructor') {
        Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true, enumerable: true });
      }
    }
  }
  #write(stream, args) {
    let text = formatWithOptions(this.#options, ...args);
    if (this.#indent !== '') text = this.#indent + text.replaceAll('\n', `\n${this.#indent}`);
    stream.write(`${text}\n`);
  }
  log(...args) { this.#write(this.#out(), args); }
  info(...args) { this.#write(this.#out(), args); }
  debug(...args) { this.#write(this.#out(), args); }
  error(...args) { this.#write(this.#err(), args); }
  warn(...args) { this.#write(this.#err(), args); }
  dir(object, options) { this.#write(this.#out(), [inspect(object, { customInspect: false, ...this.#options, ...options })]); }
  dirxml(...args) { this.log(...args); }
  trace(...args) {
    const { stackHere } = internalBinding('errors');
    const title = args.length > 0 ? `Trace: ${formatWithOptions({}, ...args)}` : 'Trace';
    this.#write(this.#err(), ['%s', `${title}\n${stackHere(1)}`]);
  }
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift('Assertion failed');
    this.warn(...args);
  }
  count(label = 'default') {
    label = `${label}`;
    const n = (this.#counts.get(label) ?? 0) + 1;
    this.#counts.set(label, n);
    this.log(`${label}: ${n}`);
  }
  countReset(label = 'default') { this.#counts.delete(`${label}`); }
  group(...args) {
    if (args.length > 0) this.log(...args);
    this.#indent += '  ';
  }
  groupCollapsed(...args) { this.group(...args); }
  groupEnd() { this.#indent = this.#indent.slice(2); }
  time(label = 'default') { this.#timers.set(`${label}`, process.hrtime()); }
  timeLog(label = 'default', ...args) {
    const began = this.#timers.get(`${label}`);
    if (began === undefined) {
      process.emitWarning(`No such label '${label}' for console.timeLog()`);
      return;
    }
    const [s, n] = process.hrtime(began);
    const ms = s * 1000 + n / 1e6;
    this.log(`%s: %s`, label, ms >= 1000 ? `${(ms / 1000).toFixed(3)}s` : `${Number(ms.toFixed(3))}ms`, ...args);
  }
  timeEnd(label = 'default') {
    this.timeLog(label);
    this.#timers.delete(`${label}`);
  }
  table(data, columns) {
    if (data === null || typeof data !== 'object') {
      this.log(data);
      return;
    }
    this.log(require('internal/table').table(data, columns));
  }
}

const console = new Console(() => process.stdout, () => process.stderr);
console.Console = Console;
module.exports = console;
