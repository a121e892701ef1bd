'use strict';
// ES modules: what import gives, and the order in which they run. esbuild has made
// functions of them, which get what they import by __import.

const { isPromise, namespaces } = require('internal/types');

// A namespace is what import * gives.
function namespace() {
  const object = Object.create(null, { [Symbol.toStringTag]: { value: 'Module' } });
  namespaces.add(object);
  return object;
}

// marked is a namespace as require gives it.
function marked(object) {
  return Object.defineProperty(object, '__esModule', { value: true });
}

// star adds what export * exports.
function star(object, from) {
  for (const name of Object.keys(from)) {
    if (name !== 'default' && !Object.hasOwn(object, name)) Object.defineProperty(object, name, { get: () => from[name], enumerable: true });
  }
}

// of makes the namespace of what is no ES module: default is what it exports, and so
// is each of its properties.
function of(exports) {
  const object = namespace();
  Object.defineProperty(object, 'default', { value: exports, enumerable: true, writable: true });
  if ((typeof exports !== 'object' || exports === null) && typeof exports !== 'function') return object;
  const own = typeof exports === 'function' ? ['length', 'name', 'prototype', 'arguments', 'caller'] : [];
  for (const name of Object.getOwnPropertyNames(exports).sort()) {
    if (name === 'default' || own.includes(name)) continue;
    const { get, value } = Object.getOwnPropertyDescriptor(exports, name);
    Object.defineProperty(object, name, get ? { get: () => exports[name], enumerable: true } : { value, enumerable: true, writable: true });
  }
  return object;
}

// check throws for what a module imports and another does not export.
function check(module, request, names, from) {
  const missing = names.find((name) => !(name in from));
  if (missing === undefined) return;
  const err = new SyntaxError(`The requested module '${request}' does not provide an export named '${missing}'`);
  err.stack = `SyntaxError: ${err.message}\n    at ${module.filename}`;
  throw err;
}

let last; // of the script itself

function create({ builtin, builtinName, moduleOf, resolveImport }) {
  const modules = new WeakMap(); // ES module to { pending }: the promise of its evaluation, until that has ended
  const others = new Map(); // CommonJS module or name of a builtin to namespace

  function namespaceOf(key, exports, isDone) {
    const known = others.get(key);
    if (known !== undefined) return known;
    const made = of(exports);
    if (isDone) others.set(key, made);
    return made;
  }

  // importer makes a module's __import. It gives what statements import at once: that
  // has been evaluated before. What import() gives may have to be waited for.
  function importer(parent, statements) {
    const load = (request) => {
      request = `${request}`;
      const name = builtinName(request);
      if (name !== undefined) return namespaceOf(name, builtin(name), true);
      const module = moduleOf(resolveImport(request, parent), parent, false);
      const state = modules.get(module);
      if (state === undefined) return namespaceOf(module, module.exports, module.loaded);
      if (state.pending === undefined || statements.includes(request)) return module.exports;
      return state.pending.then(() => module.exports);
    };
    // What the module itself exports, as getters or as an object of such. Others may
    // have its namespace already.
    load.getters = (table) => {
      for (const name of Object.keys(table).sort()) Object.defineProperty(parent.exports, name, { get: table[name], enumerable: true });
      return parent.exports;
    };
    load.namespace = (exports) => load.getters(Object.fromEntries(Object.keys(exports).map((name) => [name, () => exports[name]])));
    load.star = star;
    return load;
  }

  function meta(module) {
    const { pathToFileURL } = require('url');
    const object = Object.create(null);
    return Object.assign(object, {
      dirname: module.path, filename: module.filename, main: process.mainModule === module,
      resolve(request) {
        const name = builtinName(`${request}`);
        return name !== undefined ? `node:${name}` : pathToFileURL(resolveImport(`${request}`, module)).href;
      },
      url: pathToFileURL(module.filename).href,
    });
  }

  // evaluate runs a module: first what it imports, and it itself when that is done.
  function evaluate(module, imports, body) {
    const state = { pending: undefined };
    modules.set(module, state);
    module.exports = marked(namespace());
    const waits = [];
    const files = [];
    for (const [request, names] of imports) {
      if (builtinName(request) !== undefined) continue;
      const file = moduleOf(resolveImport(request, module), module, false);
      files.push([request, names, file]);
      const wait = modules.get(file)?.pending;
      if (wait !== undefined) waits.push(wait);
    }
    const load = importer(module, imports.map(([request]) => request));
    const run = () => {
      // What imports this module in turn has not got its names yet.
      for (const [request, names, file] of files) if (file.loaded) check(module, request, names, load(request));
      return body(load, meta(module));
    };
    const result = waits.length > 0 ? Promise.all(waits).then(run) : run();
    if (isPromise(result)) {
      state.pending = result.then(() => { state.pending = undefined; });
    }
  }

  return {
    evaluate, importer, meta,
    forget() { others.clear(); },
    main(module) { last = modules.get(module); },
  };
}

module.exports = { create, unsettled: () => last?.pending !== undefined };
