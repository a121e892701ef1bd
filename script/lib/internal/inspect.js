'use strict';
// util.inspect: values as text, in the form that Node gives them.

const { proxyDetails, promiseDetails } = internalBinding('util');
const { className } = require('internal/kinds');
const { isModuleNamespaceObject } = require('internal/types');
const { formatStack } = internalBinding('errors');
const { kIsNodeError } = require('internal/errors');

const custom = Symbol.for('nodejs.util.inspect.custom');
const defaults = {
  showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100,
  maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
};

const colors = {
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27],
  black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39],
  white: [37, 39], gray: [90, 39], grey: [90, 39], redBright: [91, 39], greenBright: [92, 39], yellowBright: [93, 39],
  blueBright: [94, 39], magentaBright: [95, 39], cyanBright: [96, 39], whiteBright: [97, 39],
};
const styles = {
  special: 'cyan', number: 'yellow', bigint: 'yellow', boolean: 'yellow', undefined: 'grey', null: 'bold', string: 'green',
  symbol: 'green', date: 'magenta', regexp: 'red', module: 'underline',
};

// The three forms of a composite: an object's properties, an array with properties
// besides, and what is an array only to the eye (an iterator's entries).
const asObject = 0;
const asArray = 1;

function inspect(value, options) {
  const ctx = { ...defaults, seen: [], circular: undefined, budget: {}, indentation: 0, currentDepth: 0, userOptions: options };
  if (arguments.length > 1) {
    if (typeof options === 'object' && options !== null) {
      for (const key of Object.keys(options)) {
        if (key in defaults || key === 'stylize') ctx[key] = options[key];
      }
    } else if (options !== undefined) {
      ctx.showHidden = options;
      if (arguments[2] !== undefined) ctx.depth = arguments[2];
      if (arguments[3] !== undefined) ctx.colors = arguments[3];
    }
  }
  ctx.stylize ??= ctx.colors ? stylizeWithColor : (text) => text;
  if (ctx.maxArrayLength === null) ctx.maxArrayLength = Infinity;
  if (ctx.maxStringLength === null) ctx.maxStringLength = Infinity;
  return formatValue(ctx, value, 0);
}

function stylizeWithColor(text, style) {
  const color = colors[styles[style]];
  return color === undefined ? text : `\x1b[${color[0]}m${text}\x1b[${color[1]}m`;
}

const escapes = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' };
function escapeChar(c) {
  return escapes[c] ?? `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

// quote writes a string with those quotes that need no escaping, if there are such.
function quote(s) {
  let q = "'";
  if (s.includes("'")) {
    if (!s.includes('"')) q = '"';
    else if (!s.includes('`') && !s.includes('${')) q = '`';
  }
  let text = s.replace(/[\x00-\x1f\x7f-\x9f\\]/g, escapeChar);
  if (q === "'") text = text.replace(/'/g, "\\'");
  return q + text + q;
}

function separated(text) {
  const [whole, fraction] = text.split('.');
  const left = whole.replace(/\B(?=(\d{3})+(?!\d))/g, '_');
  return fraction === undefined ? left : `${left}.${fraction.replace(/(\d{3})(?=\d)/g, '$1_')}`;
}

function formatNumber(style, n, ctx) {
  if (Object.is(n, -0)) return style('-0', 'number');
  return style(ctx?.numericSeparator ? separated(String(n)) : `${n}`, 'number');
}

function formatPrimitive(style, value, ctx) {
  switch (typeof value) {
    case 'string': {
      let more = '';
      if (value.length > ctx.maxStringLength) {
        const left = value.length - ctx.maxStringLength;
        value = value.slice(0, ctx.maxStringLength);
        more = `... ${left} more character${left > 1 ? 's' : ''}`;
      }
      // Long text is broken behind its newlines.
      if (ctx.compact !== true && value.length > 16 && value.length > ctx.breakLength - ctx.indentation - 4) {
        const lines = value.match(/[^\n]*\n|[^\n]+$/g) ?? [value];
        return lines.map((line) => style(quote(line), 'string')).join(` +\n${' '.repeat(ctx.indentation + 2)}`) + more;
      }
      return style(quote(value), 'string') + more;
    }
    case 'number': return formatNumber(style, value, ctx);
    case 'bigint': return style(`${ctx.numericSeparator ? separated(String(value)) : value}n`, 'bigint');
    case 'boolean': return style(`${value}`, 'boolean');
    case 'undefined': return style('undefined', 'undefined');
    default: return style(String(value), 'symbol');
  }
}

function formatValue(ctx, value, depth, typed) {
  if (typeof value !== 'object' && typeof value !== 'function') return formatPrimitive(ctx.stylize, value, ctx);
  if (value === null) return ctx.stylize('null', 'null');
  const original = value;
  const details = proxyDetails(value);
  if (details !== undefined) {
    if (ctx.showProxy) return formatProxy(ctx, details, depth);
    if (details[0] === null) return ctx.stylize('<Revoked Proxy>', 'special');
    value = details[0];
    while (proxyDetails(value) !== undefined) [value] = proxyDetails(value);
  }
  if (ctx.customInspect) {
    const maybe = value[custom];
    if (typeof maybe === 'function' && maybe !== inspect && !(value.constructor && value.constructor.prototype === value)) {
      const left = ctx.depth === null ? null : ctx.depth - depth;
      const { seen, circular, budget, indentation, currentDepth, userOptions, ...options } = ctx;
      const text = maybe.call(original, left, { ...userOptions, ...options }, inspect);
      if (text !== original) {
        if (typeof text !== 'object') return `${text}`;
        return formatValue(ctx, text, depth).replaceAll('\n', `\n${' '.repeat(ctx.indentation)}`);
      }
    }
  }
  if (ctx.seen.includes(value)) {
    ctx.circular ??= new Map();
    if (!ctx.circular.has(value)) ctx.circular.set(value, ctx.circular.size + 1);
    return ctx.stylize(`[Circular *${ctx.circular.get(value)}]`, 'special');
  }
  return formatComposite(ctx, value, depth, typed);
}

function formatProxy(ctx, [target, handler], depth) {
  if (depth > ctx.depth && ctx.depth !== null) return ctx.stylize('Proxy [Array]', 'special');
  ctx.indentation += 2;
  const parts = [formatValue(ctx, target, depth + 1), formatValue(ctx, handler, depth + 1)];
  ctx.indentation -= 2;
  return layOut(ctx, parts, '', ['Proxy [', ']'], asArray, depth);
}

// constructorName returns the name of the first constructor in the chain of
// prototypes, or null.
function constructorName(obj, ctx, depth) {
  let first = true;
  for (let o = obj; o !== null && o !== undefined; o = Object.getPrototypeOf(o)) {
    const d = Object.getOwnPropertyDescriptor(o, 'constructor');
    if (d !== undefined && typeof d.value === 'function' && d.value.name !== '' && isInstance(obj, d.value)) {
      return d.value.name;
    }
    first = false;
  }
  if (first) return null;
  return null;
}

function isInstance(obj, ctor) {
  try {
    return obj instanceof ctor;
  } catch {
    return false;
  }
}

function prefix(name, tag, fallback, size = '') {
  if (name === null) {
    if (tag !== '' && fallback !== tag) return `[${fallback}${size}: null prototype] [${tag}] `;
    return `[${fallback}${size}: null prototype] `;
  }
  if (tag !== '' && name !== tag) return `${name}${size} [${tag}] `;
  return `${name}${size} `;
}

function keysOf(value, showHidden) {
  const symbols = Object.getOwnPropertySymbols(value);
  if (showHidden) return [...Object.getOwnPropertyNames(value), ...symbols];
  return [...Object.keys(value), ...symbols.filter((s) => Object.prototype.propertyIsEnumerable.call(value, s))];
}

function isIndex(key) { return typeof key === 'string' && /^(0|[1-9]\d*)$/.test(key); }

// formatNamespace shows what a module exports, and not that it does so by getters.
function formatNamespace(ctx, value, depth) {
  const plain = Object.create(null);
  for (const key of Object.keys(value)) {
    try {
      plain[key] = value[key];
    } catch {
      plain[key] = { [inspect.custom]: () => '<uninitialized>' };
    }
  }
  return formatComposite(ctx, plain, depth, undefined).replace('[Object: null prototype]', '[Module: null prototype]');
}

function formatComposite(ctx, value, depth, typed) {
  if (isModuleNamespaceObject(value)) return formatNamespace(ctx, value, depth);
  const name = constructorName(value, ctx, depth);
  let tag = value[Symbol.toStringTag];
  // A tag that says what the name says already is not shown.
  if (typeof tag !== 'string' || (tag !== '' && (ctx.showHidden ? Object.hasOwn : Object.prototype.hasOwnProperty.call.bind(
    Object.prototype.hasOwnProperty))(value, Symbol.toStringTag) && name === tag)) tag = '';
  const kind = className(value);
  let base = '';
  let braces;
  let keys;
  let format = () => [];
  let form = asObject;

  if (Array.isArray(value)) {
    const p = name !== 'Array' || tag !== '' ? prefix(name, tag, 'Array', `(${value.length})`) : '';
    keys = keysOf(value, ctx.showHidden).filter((k) => !isIndex(k));
    braces = [`${p}[`, ']'];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    form = asArray;
    format = formatArray;
  } else if (kind === 'Set') {
    keys = keysOf(value, ctx.showHidden);
    const p = prefix(name, tag, 'Set', `(${value.size})`);
    if (value.size === 0 && keys.length === 0) return `${p}{}`;
    braces = [`${p}{`, '}'];
    format = (c, v, d) => formatEntries(c, [...Set.prototype.values.call(v)].map((e) => [e]), d);
  } else if (kind === 'Map') {
    keys = keysOf(value, ctx.showHidden);
    const p = prefix(name, tag, 'Map', `(${value.size})`);
    if (value.size === 0 && keys.length === 0) return `${p}{}`;
    braces = [`${p}{`, '}'];
    format = (c, v, d) => formatEntries(c, [...Map.prototype.entries.call(v)], d);
  } else if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    keys = keysOf(value, ctx.showHidden).filter((k) => !isIndex(k));
    const what = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get.call(value);
    const p = prefix(name, tag === what || tag === name ? '' : tag, what, `(${value.length})`);
    braces = [`${p}[`, ']'];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    form = asArray;
    format = formatTyped;
  } else if (/^(Map|Set|Array|String|RegExp String) Iterator$/.test(kind) && kind !== 'Array Iterator') {
    keys = keysOf(value, ctx.showHidden);
    braces = [`Object [${kind}] {`, '}'];
  } else {
    keys = keysOf(value, ctx.showHidden);
    braces = ['{', '}'];
    if (kind === 'Arguments') {
      braces[0] = '[Arguments] {';
      if (keys.length === 0) return '[Arguments] {}';
    } else if (typeof value === 'function') {
      base = formatFunction(value, name, tag);
      if (keys.length === 0) return ctx.stylize(base, 'special');
    } else if (kind === 'RegExp') {
      base = RegExp.prototype.toString.call(value);
      const p = prefix(name, tag, 'RegExp');
      if (p !== 'RegExp ') base = `${p}${base}`;
      if (keys.length === 0 || (depth > ctx.depth && ctx.depth !== null)) return ctx.stylize(base, 'regexp');
    } else if (kind === 'Date') {
      base = Number.isNaN(Date.prototype.getTime.call(value)) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
      const p = prefix(name, tag, 'Date');
      if (p !== 'Date ') base = `${p}${base}`;
      if (keys.length === 0) return ctx.stylize(base, 'date');
    } else if (kind === 'Error' || value instanceof Error) {
      base = formatError(ctx, value, name, keys);
      if (Object.hasOwn(value, 'cause') && !keys.includes('cause')) keys.push('cause');
      if (Array.isArray(Object.getOwnPropertyDescriptor(value, 'errors')?.value) && !keys.includes('errors')) keys.push('errors');
      if (keys.length === 0) return base;
    } else if (kind === 'ArrayBuffer' || value instanceof ArrayBuffer) {
      if (typed === undefined) {
        format = formatArrayBuffer;
      } else if (keys.length === 0) {
        return `${prefix(name, tag, 'ArrayBuffer')}{ byteLength: ${formatNumber(ctx.stylize, value.byteLength)} }`;
      }
      braces[0] = `${prefix(name, tag === 'ArrayBuffer' ? '' : tag, 'ArrayBuffer')}{`;
      keys.unshift('byteLength');
    } else if (value instanceof DataView) {
      braces[0] = `${prefix(name, tag === 'DataView' ? '' : tag, 'DataView')}{`;
      keys.unshift('byteLength', 'byteOffset', 'buffer');
    } else if (kind === 'Promise') {
      braces[0] = `${prefix(name, tag === 'Promise' ? '' : tag, 'Promise')}{`;
      format = formatPromise;
    } else if (kind === 'WeakSet' || kind === 'WeakMap') {
      braces[0] = `${prefix(name, tag === kind ? '' : tag, kind)}{`;
      format = (c) => [c.stylize('<items unknown>', 'special')];
    } else if (['Number', 'String', 'Boolean', 'BigInt', 'Symbol'].includes(kind) && typeof value.valueOf() !== 'object') {
      base = formatBoxed(ctx, value, kind, keys, name, tag);
      if (kind === 'String') keys = keys.filter((k) => !isIndex(k));
      if (keys.length === 0) return base;
    } else {
      if (keys.length === 0) return `${prefix(name, tag, 'Object').replace(/^Object $/, '')}{}`;
      const p = prefix(name, tag, 'Object');
      if (p !== 'Object ') braces[0] = `${p}{`;
    }
  }

  if (depth > ctx.depth && ctx.depth !== null) {
    const title = prefix(name, tag, Array.isArray(value) ? 'Array' : 'Object').slice(0, -1);
    return ctx.stylize(name === null || tag !== '' ? `[${title.replace(/^\[|\]$/g, '')}]` : `[${title}]`, 'special');
  }
  ctx.seen.push(value);
  ctx.currentDepth = depth;
  const output = format(ctx, value, depth);
  for (const key of keys) output.push(formatProperty(ctx, value, depth, key, form));
  ctx.seen.pop();

  const index = ctx.circular?.get(value);
  if (index !== undefined) {
    const reference = ctx.stylize(`<ref *${index}>`, 'special');
    if (ctx.compact === true) braces[0] = `${reference} ${braces[0]}`;
    else base = base === '' ? reference : `${reference} ${base}`;
  }
  if (ctx.sorted) output.sort(ctx.sorted === true ? undefined : ctx.sorted);
  return layOut(ctx, output, base, braces, form, depth, value);
}

function formatFunction(value, name, tag) {
  const source = Function.prototype.toString.call(value);
  if (source.startsWith('class') && source.endsWith('}')) {
    let text = value.name === '' || !Object.hasOwn(value, 'name') ? '[class (anonymous)' : `[class ${value.name}`;
    if (name !== 'Function' && name !== null) text += ` [${name}]`;
    if (tag !== '' && name !== tag) text += ` [${tag}]`;
    const parent = Object.getPrototypeOf(value);
    if (name === null) text += ' extends [null prototype]';
    else if (parent?.name) text += ` extends ${parent.name}`;
    return `${text}]`;
  }
  const type = { AsyncFunction: 'AsyncFunction', GeneratorFunction: 'GeneratorFunction' }[className(value)] ?? 'Function';
  let text = `[${type}`;
  if (name === null) text += ' (null prototype)';
  text += value.name === '' ? ' (anonymous)' : `: ${typeof value.name === 'string' ? value.name : String(value.name)}`;
  text += ']';
  if (name !== type && name !== 'Function' && name !== null) text += ` ${name}`;
  if (tag !== '' && name !== tag && tag !== type) text += ` [${tag}]`;
  return text;
}

// formatError returns the stack, or what there is without one.
function formatError(ctx, err, name, keys) {
  let stack = typeof err.stack === 'string' && err.stack !== '' ? formatStack(err.stack) : `[${Error.prototype.toString.call(err)}]`;
  if (!stack.includes('\n    at ') && !stack.startsWith('[')) stack = `[${stack}]`;
  // What the title shows already is not shown again.
  for (const key of ['name', 'message', 'stack']) {
    const at = keys.indexOf(key);
    if (at >= 0 && typeof err[key] === 'string' && stack.includes(err[key])) keys.splice(at, 1);
  }
  // A subclass is called by its own name.
  if (name !== null && name.endsWith('Error') && typeof err.name === 'string' && stack.startsWith(err.name) &&
      !err[kIsNodeError] && err.name !== name && !name.includes(err.name) === false && !stack.startsWith(name)) {
    stack = name + stack.slice(err.name.length);
  }
  // A message that came with a code in its name keeps it.
  if (ctx.indentation !== 0) stack = stack.replaceAll('\n', `\n${' '.repeat(ctx.indentation)}`);
  return stack;
}

function formatBoxed(ctx, value, kind, keys, name, tag) {
  let text = `[${kind}`;
  if (name !== kind) text += name === null ? ' (null prototype)' : ` (${name})`;
  text += `: ${formatPrimitive((t) => t, value.valueOf(), ctx)}]`;
  if (tag !== '' && tag !== name) text += ` [${tag}]`;
  return ctx.stylize(text, kind.toLowerCase());
}

function remaining(n) { return `... ${n} more item${n > 1 ? 's' : ''}`; }

function formatArray(ctx, value, depth) {
  const output = [];
  const length = Math.min(Math.max(0, ctx.maxArrayLength), value.length);
  let i = 0;
  while (i < value.length && output.length < length) {
    if (Object.hasOwn(value, i)) {
      output.push(formatProperty(ctx, value, depth, i, asArray));
      i++;
      continue;
    }
    let holes = 0;
    while (i < value.length && !Object.hasOwn(value, i)) {
      holes++;
      i++;
    }
    output.push(ctx.stylize(`<${holes} empty item${holes > 1 ? 's' : ''}>`, 'undefined'));
  }
  if (i < value.length) output.push(remaining(value.length - i));
  return output;
}

function formatTyped(ctx, value) {
  const length = Math.min(Math.max(0, ctx.maxArrayLength), value.length);
  const output = [];
  for (let i = 0; i < length; i++) output.push(formatPrimitive(ctx.stylize, value[i], ctx));
  if (value.length > length) output.push(remaining(value.length - length));
  if (ctx.showHidden) {
    ctx.indentation += 2;
    for (const key of ['BYTES_PER_ELEMENT', 'length', 'byteLength', 'byteOffset', 'buffer']) {
      output.push(`[${key}]: ${formatValue(ctx, value[key], 0, true)}`);
    }
    ctx.indentation -= 2;
  }
  return output;
}

function formatArrayBuffer(ctx, value) {
  const bytes = new Uint8Array(value);
  const shown = Math.min(Math.max(0, ctx.maxArrayLength), bytes.length);
  let text = Array.prototype.map.call(bytes.subarray(0, shown), (b) => b.toString(16).padStart(2, '0')).join(' ');
  if (bytes.length > shown) text += ` ... ${bytes.length - shown} more byte${bytes.length - shown > 1 ? 's' : ''}`;
  return [`${ctx.stylize('[Uint8Contents]', 'special')}: <${text}>`];
}

function formatEntries(ctx, entries, depth) {
  const shown = Math.min(Math.max(0, ctx.maxArrayLength), entries.length);
  const output = [];
  ctx.indentation += 2;
  for (const entry of entries.slice(0, shown)) {
    output.push(entry.map((v) => formatValue(ctx, v, depth + 1)).join(' => '));
  }
  if (entries.length > shown) output.push(remaining(entries.length - shown));
  ctx.indentation -= 2;
  return output;
}

function formatPromise(ctx, value, depth) {
  const [state, result] = promiseDetails(value);
  if (state === 0) return [ctx.stylize('<pending>', 'special')];
  ctx.indentation += 2;
  const text = formatValue(ctx, result, depth + 1);
  ctx.indentation -= 2;
  return [state === 2 ? `${ctx.stylize('<rejected>', 'special')} ${text}` : text];
}

function formatProperty(ctx, value, depth, key, form) {
  const d = Object.getOwnPropertyDescriptor(value, key) ?? { value: value[key], configurable: true, enumerable: true };
  let text;
  let apart = ' ';
  if (d.value !== undefined || (d.get === undefined && d.set === undefined)) {
    const more = ctx.compact !== true || form !== asObject ? 2 : 3;
    ctx.indentation += more;
    text = formatValue(ctx, d.value, depth + 1);
    if (more === 3 && ctx.breakLength < text.length) apart = `\n${' '.repeat(ctx.indentation)}`;
    ctx.indentation -= more;
  } else if (d.get !== undefined) {
    const label = d.set !== undefined ? 'Getter/Setter' : 'Getter';
    if (ctx.getters && (ctx.getters === true || (ctx.getters === 'get' && d.set === undefined) ||
                        (ctx.getters === 'set' && d.set !== undefined))) {
      try {
        const got = d.get.call(value);
        ctx.indentation += 2;
        if (got === null) text = `${ctx.stylize(`[${label}:`, 'special')} ${ctx.stylize('null', 'null')}${ctx.stylize(']', 'special')}`;
        else if (typeof got === 'object') text = `${ctx.stylize(`[${label}]`, 'special')} ${formatValue(ctx, got, depth + 1)}`;
        else text = `${ctx.stylize(`[${label}:`, 'special')} ${formatPrimitive(ctx.stylize, got, ctx)}${ctx.stylize(']', 'special')}`;
        ctx.indentation -= 2;
      } catch (err) {
        text = `${ctx.stylize(`[${label}: <Inspection threw (${err.message})>`, 'special')}${ctx.stylize(']', 'special')}`;
      }
    } else {
      text = ctx.stylize(`[${label}]`, 'special');
    }
  } else {
    text = ctx.stylize('[Setter]', 'special');
  }
  if (form === asArray && (typeof key === 'number' || isIndex(key))) return text;
  let name;
  if (typeof key === 'symbol') name = `[${ctx.stylize(String(key), 'symbol')}]`;
  else if (key === '__proto__') name = "['__proto__']";
  else if (d.enumerable === false) name = `[${key}]`;
  else if (/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key)) name = ctx.stylize(key, 'name');
  else name = ctx.stylize(quote(key), 'string');
  return `${name}:${apart}${text}`;
}

function width(text) {
  const plain = text.replace(/\x1b\[\d+m/g, '');
  let n = 0;
  for (const c of plain) {
    const p = c.codePointAt(0);
    if (p >= 0x300 && p <= 0x36f) continue;
    n += (p >= 0x1100 && p <= 0x115f) || (p >= 0x2e80 && p <= 0xa4cf) || (p >= 0xac00 && p <= 0xd7a3) ||
      (p >= 0xf900 && p <= 0xfaff) || (p >= 0xfe30 && p <= 0xfe6f) || (p >= 0xff00 && p <= 0xff60) || p >= 0x1f300 ? 2 : 1;
  }
  return n;
}

// inColumns arranges the entries of a long array in columns, about two and a half
// times as wide as high.
function inColumns(ctx, output, value) {
  let total = 0;
  let longest = 0;
  let i = 0;
  const count = ctx.maxArrayLength < output.length ? output.length - 1 : output.length;
  const lengths = [];
  for (; i < count; i++) {
    const n = width(output[i]);
    lengths.push(n);
    total += n + 2;
    longest = Math.max(longest, n);
  }
  const cell = longest + 2;
  if (!(cell * 3 + ctx.indentation < ctx.breakLength && (total / cell > 5 || longest <= 6))) return output;
  const biased = Math.max(cell - 3 - Math.sqrt(cell - total / output.length), 1);
  const columns = Math.min(
    Math.round(Math.sqrt(2.5 * biased * count) / biased),
    Math.floor((ctx.breakLength - ctx.indentation) / cell),
    ctx.compact * 4,
    15,
  );
  if (columns <= 1) return output;
  const rows = [];
  const widths = [];
  for (let c = 0; c < columns; c++) {
    let w = 0;
    for (let j = c; j < count; j += columns) w = Math.max(w, lengths[j]);
    widths.push(w + 2);
  }
  const right = value !== undefined && Array.prototype.every.call(value, (v) => typeof v === 'number' || typeof v === 'bigint');
  for (let from = 0; from < count; from += columns) {
    const to = Math.min(from + columns, count);
    let row = '';
    for (let j = from; j < to - 1; j++) {
      const text = `${output[j]}, `;
      const pad = ' '.repeat(Math.max(0, widths[j - from] - lengths[j] - 2));
      row += right ? pad + text : text + pad;
    }
    const last = output[to - 1];
    row += right ? ' '.repeat(Math.max(0, widths[to - 1 - from] - 2 - lengths[to - 1])) + last : last;
    rows.push(row);
  }
  if (ctx.maxArrayLength < output.length) rows.push(output[count]);
  return rows;
}

// layOut puts parts on one line if they fit and are not nested too deep.
function layOut(ctx, output, base, braces, form, depth, value) {
  const lead = base === '' ? '' : `${base} `;
  const indentation = `\n${' '.repeat(ctx.indentation)}`;
  if (ctx.compact !== true) {
    if (typeof ctx.compact === 'number' && ctx.compact >= 1) {
      const entries = output.length;
      if (form === asArray && entries > 6) output = inColumns(ctx, output, value);
      if (ctx.currentDepth - depth < ctx.compact && entries === output.length) {
        const start = output.length + ctx.indentation + braces[0].length + base.length + 10;
        if (fits(ctx, output, start, base)) {
          const joined = output.join(', ');
          if (!joined.includes('\n')) return `${lead}${braces[0]} ${joined} ${braces[1]}`;
        }
      }
    }
    return `${lead}${braces[0]}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${braces[1]}`;
  }
  if (fits(ctx, output, 0, base)) return `${braces[0]}${base ? ` ${base}` : ''} ${output.join(', ')} ${braces[1]}`;
  const gap = base === '' && braces[0].length === 1 ? ' ' : `${base ? ` ${base}` : ''}${indentation}  `;
  return `${braces[0]}${gap}${output.join(`,${indentation}  `)} ${braces[1]}`;
}

function fits(ctx, output, start, base) {
  let length = output.length + start;
  if (length + output.length > ctx.breakLength) return false;
  for (const part of output) {
    length += ctx.colors ? part.replace(/\x1b\[\d+m/g, '').length : part.length;
    if (length > ctx.breakLength) return false;
  }
  return base === '' || !base.includes('\n');
}

inspect.custom = custom;
inspect.defaultOptions = defaults;
inspect.colors = colors;
inspect.styles = styles;

module.exports = { formatNumber, inspect };
