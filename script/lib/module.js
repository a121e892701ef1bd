'use strict';
// CommonJS: modules of the runtime, files, folders with a package.json, node_modules.

const { compile, builtins, builtin } = internalBinding('module');
const { codes: { ERR_INVALID_ARG_VALUE, ERR_MODULE_NOT_FOUND, ERR_UNKNOWN_BUILTIN_MODULE } } = require('internal/errors');
const { validateString } = require('internal/validators');
const path = require('path');
const fs = require('fs');

const all = builtins();
const builtinModules = all.filter((name) => !name.startsWith('internal/') && name !== 'test');
const exposed = process.execArgv.some((flag) => flag === '--expose-internals' || flag === '--expose_internals');

function Module(id = '', parent) {
  this.id = id;
  this.path = path.dirname(id);
  this.exports = {};
  this.filename = null;
  this.loaded = false;
  this.children = [];
  this.paths = [];
  Object.defineProperty(this, 'parent', { value: parent, enumerable: false, configurable: true, writable: true });
  parent?.children?.push(this);
}

Module._cache = Object.create(null);
Module._extensions = Object.create(null);
Module.globalPaths = [];

const packages = new Map(); // folder to package.json's content, or null

function packageOf(folder) {
  if (packages.has(folder)) return packages.get(folder);
  let found = null;
  try {
    found = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch (err) {
    if (err instanceof SyntaxError) {
      err.message = `Error parsing ${path.join(folder, 'package.json')}: ${err.message}`;
      throw err;
    }
  }
  packages.set(folder, found);
  return found;
}

// scopeOf returns the nearest package of a file.
function scopeOf(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    if (path.basename(folder) === 'node_modules') return null;
    const found = packageOf(folder);
    if (found !== null) return { folder, json: found };
    if (folder === path.dirname(folder)) return null;
  }
}

function isFile(file) {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.isFile();
}

function isFolder(file) {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.isDirectory();
}

function tryFile(file) {
  for (const extension of ['', '.js', '.json', '.cjs', '.mjs', '.ts']) {
    if (isFile(file + extension)) return fs.realpathSync(file + extension);
  }
  return null;
}

function tryPath(file) {
  if (!file.endsWith('/')) {
    const found = tryFile(file);
    if (found !== null) return found;
  }
  if (!isFolder(file)) return null;
  const main = packageOf(path.resolve(file))?.main;
  if (typeof main === 'string') {
    const found = tryFile(path.resolve(file, main)) ?? tryFile(path.resolve(file, main, 'index'));
    if (found !== null) return found;
  }
  return tryFile(path.join(file, 'index'));
}

// What exports and imports of packages are chosen by: who requires is told other
// files than who imports.
const requiring = ['node', 'require', 'module-sync', 'default'];
const importing = ['node', 'import', 'module-sync', 'default'];
let conditions = requiring;

// target resolves what a package's "exports" or "imports" say of a name.
function target(value, rest, folder) {
  if (typeof value === 'string') return value.startsWith('./') ? path.join(folder, value.replaceAll('*', rest)) : null;
  if (Array.isArray(value)) {
    for (const v of value) {
      const found = target(v, rest, folder);
      if (found !== null) return found;
    }
    return null;
  }
  if (value !== null && typeof value === 'object') {
    for (const key of Object.keys(value)) {
      if (conditions.includes(key)) {
        const found = target(value[key], rest, folder);
        if (found !== null) return found;
      }
    }
  }
  return null;
}

function fromTable(table, name, folder) {
  if (typeof table !== 'object' || table === null || Array.isArray(table) || !Object.keys(table).some((k) => /^[.#]/.test(k))) {
    return name === '.' ? target(table, '', folder) : null;
  }
  if (Object.hasOwn(table, name)) return target(table[name], '', folder);
  const patterns = Object.keys(table).filter((k) => k.includes('*')).sort((a, b) => b.indexOf('*') - a.indexOf('*'));
  for (const pattern of patterns) {
    const [before, after] = pattern.split('*');
    if (name.startsWith(before) && name.endsWith(after) && name.length >= before.length + after.length) {
      return target(table[pattern], name.slice(before.length, name.length - after.length), folder);
    }
  }
  return null;
}

function fromNodeModules(request, folder) {
  const parts = request.split('/');
  const name = parts.slice(0, request.startsWith('@') ? 2 : 1).join('/');
  const rest = request.slice(name.length);
  for (const modules of Module._nodeModulePaths(folder)) {
    const home = path.join(modules, name);
    if (!isFolder(home)) {
      if (rest === '') {
        const found = tryFile(home);
        if (found !== null) return found;
      }
      continue;
    }
    const json = packageOf(home);
    if (json?.exports !== undefined) {
      const found = fromTable(json.exports, `.${rest}`, home);
      if (found !== null && isFile(found)) return fs.realpathSync(found);
      const err = new Error(`Package subpath '.${rest}' is not defined by "exports" in ${path.join(home, 'package.json')}`);
      err.code = 'ERR_PACKAGE_PATH_NOT_EXPORTED';
      throw err;
    }
    const found = tryPath(path.join(modules, request));
    if (found !== null) return found;
  }
  return null;
}

Module._nodeModulePaths = function(from) {
  const list = [];
  for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== 'node_modules') list.push(path.join(folder, 'node_modules'));
    if (folder === path.dirname(folder)) return list;
  }
};

// builtinName returns the name of a module of the runtime, or undefined.
function builtinName(request) {
  const bare = request.startsWith('node:') ? request.slice(5) : request;
  if (builtinModules.includes(bare)) return bare;
  if (request === 'node:test') return 'test';
  if (exposed && bare.startsWith('internal/') && all.includes(bare)) return bare;
  if (request.startsWith('node:')) throw new ERR_UNKNOWN_BUILTIN_MODULE(request);
  return undefined;
}

Module._resolveFilename = function(request, parent, isMain, options) {
  const known = builtinName(request);
  if (known !== undefined) return request;
  const folder = options?.paths?.[0] ?? (parent?.filename ? path.dirname(parent.filename) : process.cwd());
  let found = null;
  if (/^\.{0,2}\//.test(request) || request === '.' || request === '..') {
    found = tryPath(path.resolve(folder, request) + (/(^|\/)\.{0,2}\/?$/.test(request) ? '/' : ''));
  } else if (request.startsWith('#')) {
    const scope = scopeOf(path.join(folder, 'x'));
    const file = scope === null ? null : fromTable(scope.json.imports, request, scope.folder);
    found = file !== null && isFile(file) ? fs.realpathSync(file) : null;
  } else if (request.startsWith('file:')) {
    found = tryPath(require('url').fileURLToPath(request));
  } else {
    const scope = scopeOf(path.join(folder, 'x'));
    if (scope !== null && scope.json.exports !== undefined && (request === scope.json.name || request.startsWith(`${scope.json.name}/`))) {
      const file = fromTable(scope.json.exports, `.${request.slice(scope.json.name.length)}`, scope.folder);
      found = file !== null && isFile(file) ? file : null;
    }
    found ??= fromNodeModules(request, folder);
  }
  if (found !== null) return found;
  const stack = [];
  for (let m = parent; m; m = m.parent) stack.push(m.filename || m.id);
  const err = new Error(`Cannot find module '${request}'${stack.length > 0 ? `\nRequire stack:\n- ${stack.join('\n- ')}` : ''}`);
  err.code = 'MODULE_NOT_FOUND';
  err.requireStack = stack;
  throw err;
};

// resolveImport is _resolveFilename for import.
function resolveImport(request, parent) {
  conditions = importing;
  try {
    return Module._resolveFilename(request, parent, false);
  } catch (err) {
    if (err.code === 'MODULE_NOT_FOUND') {
      throw new ERR_MODULE_NOT_FOUND(/^\.*\/|^file:/.test(request) ? 'module' : 'package', request, parent.filename);
    }
    throw err;
  } finally {
    conditions = requiring;
  }
}

Module._load = function(request, parent, isMain) {
  const known = builtinName(request);
  if (known !== undefined) return builtin(known);
  return moduleOf(Module._resolveFilename(request, parent, isMain), parent, isMain).exports;
};

// moduleOf returns the module of a file, and loads it if need be.
function moduleOf(filename, parent, isMain) {
  const cached = Module._cache[filename];
  if (cached !== undefined) {
    if (parent && !parent.children.includes(cached)) parent.children.push(cached);
    return cached;
  }
  const module = new Module(filename, parent);
  if (isMain) {
    process.mainModule = module;
    module.id = '.';
  }
  Module._cache[filename] = module;
  let done = false;
  try {
    module.load(filename);
    done = true;
  } finally {
    if (!done) delete Module._cache[filename];
  }
  return module;
}

Module.prototype.load = function(filename) {
  this.filename = filename;
  this.path = path.dirname(filename);
  this.paths = Module._nodeModulePaths(this.path);
  const extension = path.extname(filename);
  (Module._extensions[extension] ?? Module._extensions['.js'])(this, filename);
  this.loaded = true;
};

Module.prototype.require = function(id) {
  validateString(id, 'id');
  if (id === '') throw new ERR_INVALID_ARG_VALUE('id', id, 'must be a non-empty string');
  return Module._load(id, this, false);
};

function requireOf(module) {
  const require = function require(id) { return module.require(id); };
  require.resolve = (request, options) => {
    validateString(request, 'request');
    return Module._resolveFilename(request, module, false, options);
  };
  require.resolve.paths = (request) => (builtinName(request) !== undefined ? null : Module._nodeModulePaths(module.path));
  require.main = process.mainModule;
  require.cache = Module._cache;
  require.extensions = Module._extensions;
  return require;
}

Module.prototype._compile = function(source, filename, isModule = false) {
  const { body, module, imports } = compile(filename, source, isModule);
  const given = [this.exports, requireOf(this), this, filename, path.dirname(filename)];
  if (module) return esm.evaluate(this, imports, (load, meta) => Reflect.apply(body, undefined, [...given, load, meta]));
  if (body.length > given.length) given.push(esm.importer(this, []), esm.meta(this));
  return Reflect.apply(body, this.exports, given);
};

const esm = require('internal/esm').create({ builtin, builtinName, moduleOf, resolveImport });

Module._extensions['.js'] = (module, filename) => {
  const isModule = /\.m[jt]s$/.test(filename) || (/\.[jt]s$/.test(filename) && scopeOf(filename)?.json.type === 'module');
  module._compile(fs.readFileSync(filename, 'utf8').replace(/^\uFEFF/, ''), filename, isModule);
};
Module._extensions['.json'] = (module, filename) => {
  try {
    module.exports = JSON.parse(fs.readFileSync(filename, 'utf8').replace(/^\uFEFF/, ''));
  } catch (err) {
    err.message = `${filename}: ${err.message}`;
    throw err;
  }
};
Module._extensions['.node'] = (module, filename) => {
  throw new Error(`${filename} is compiled for Node: castnet runs JavaScript only`);
};

Module.createRequire = function(from) {
  let filename = from;
  if (typeof from === 'object' || /^file:/.test(from)) filename = require('url').fileURLToPath(from);
  if (!path.isAbsolute(filename)) {
    throw new ERR_INVALID_ARG_VALUE('filename', from, 'must be a file URL object, file URL string, or absolute path string');
  }
  const module = new Module(filename);
  module.filename = filename;
  module.path = path.dirname(filename);
  return requireOf(module);
};

Module.isBuiltin = (name) => {
  try {
    return typeof name === 'string' && builtinName(name) !== undefined;
  } catch {
    return false;
  }
};

// runMain runs the script itself.
function runMain(file) {
  process.argv[1] = file;
  const found = tryPath(file);
  if (found === null) {
    const err = new Error(`Cannot find module '${file}'`);
    err.code = 'MODULE_NOT_FOUND';
    err.requireStack = [];
    throw err;
  }
  process.argv[1] = found;
  esm.main(moduleOf(found, null, true));
}

Module.builtinModules = builtinModules;
Module.Module = Module;
Module._initPaths = () => {};
Module.syncBuiltinESMExports = esm.forget;
Module.findSourceMap = () => undefined;
Object.defineProperty(Module, 'runMain', { value: runMain, enumerable: false, configurable: true, writable: true });
module.exports = Module;
