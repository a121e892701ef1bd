'use strict';
// The part of fs that reads.

const binding = internalBinding('fs');
const { Buffer } = require('buffer');
const { FileException, codes: { ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ARG_TYPE } } = require('internal/errors');
const { validateFunction, validateInteger } = require('internal/validators');

const constants = {
  F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, S_IFMT: 0o170000, S_IFREG: 0o100000, S_IFDIR: 0o040000,
  S_IFLNK: 0o120000, S_IFSOCK: 0o140000, S_IFIFO: 0o010000, S_IFCHR: 0o020000, S_IFBLK: 0o060000,
};

function pathOf(value, name = 'path') {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value !== null && typeof value === 'object' && typeof value.href === 'string') return require('url').fileURLToPath(value);
  if (typeof value !== 'string') throw new ERR_INVALID_ARG_TYPE(name, ['string', 'Buffer', 'URL'], value);
  return value;
}

function check(result, syscall, path) {
  if (typeof result === 'number' && result < 0) throw new FileException(result, syscall, path);
  return result;
}

class Stats {
  constructor(info) {
    this.mode = info.mode;
    this.size = info.size;
    this.mtimeMs = info.mtimeMs;
    this.mtime = new Date(info.mtimeMs);
  }
}
for (const [name, kind] of [['isFile', constants.S_IFREG], ['isDirectory', constants.S_IFDIR], ['isSymbolicLink', constants.S_IFLNK],
  ['isSocket', constants.S_IFSOCK], ['isFIFO', constants.S_IFIFO], ['isCharacterDevice', constants.S_IFCHR], ['isBlockDevice', constants.S_IFBLK]]) {
  Stats.prototype[name] = function() { return (this.mode & constants.S_IFMT) === kind; };
}

class Dirent {
  constructor(name, parentPath, isDirectory, isLink) {
    this.name = name;
    this.parentPath = parentPath;
    this.isDirectory = () => isDirectory;
    this.isSymbolicLink = () => isLink;
    this.isFile = () => !isDirectory && !isLink;
  }
}

function encoded(bytes, options) {
  const encoding = typeof options === 'string' ? options : options?.encoding;
  return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
}

function stat(call, path, options) {
  const info = binding[call](pathOf(path));
  if (typeof info === 'number') {
    const { UV_ENOENT, UV_ENOTDIR } = internalBinding('uv');
    if (options?.throwIfNoEntry === false && (info === UV_ENOENT || info === UV_ENOTDIR)) return undefined;
    throw new FileException(info, call, pathOf(path));
  }
  return new Stats(info);
}

const sync = {
  readFile(path, options) {
    if (typeof path === 'number') {
      const pieces = [];
      const piece = Buffer.alloc(65536);
      for (let n; (n = sync.read(path, piece, 0, piece.length, null)) > 0;) pieces.push(Buffer.from(piece.subarray(0, n)));
      return encoded(Buffer.concat(pieces), options);
    }
    return encoded(Buffer.from(check(binding.readFile(pathOf(path)), 'open', pathOf(path))), options);
  },
  stat: (path, options) => stat('stat', path, options),
  lstat: (path, options) => stat('lstat', path, options),
  fstat(fd) {
    validateInteger(fd, 'fd', 0, 2147483647);
    return new Stats(check(binding.fstat(fd), 'fstat'));
  },
  realpath: (path) => check(binding.realpath(pathOf(path)), 'realpath', pathOf(path)),
  readdir(path, options) {
    const rows = check(binding.readdir(pathOf(path)), 'scandir', pathOf(path));
    return rows.map(([name, dir, link]) => (options?.withFileTypes ? new Dirent(name, pathOf(path), dir, link) : name));
  },
  access(path) { check(typeof binding.stat(pathOf(path)) === 'number' ? binding.stat(pathOf(path)) : 0, 'access', pathOf(path)); },
  open(path, flags = 'r') {
    if (flags !== 'r' && flags !== constants.O_RDONLY) throw new ERR_FEATURE_UNAVAILABLE('fs: writing');
    return check(binding.open(pathOf(path)), 'open', pathOf(path));
  },
  read(fd, buffer, offset, length, position) {
    validateInteger(fd, 'fd', 0, 2147483647);
    if (offset !== null && typeof offset === 'object') ({ offset = 0, length = buffer.byteLength - offset, position = null } = offset);
    offset ??= 0;
    length ??= buffer.byteLength - offset;
    return check(binding.read(fd, buffer, offset, length, typeof position === 'number' ? position : -1), 'read');
  },
  close(fd) {
    validateInteger(fd, 'fd', 0, 2147483647);
    check(binding.close(fd), 'close');
  },
};

const fs = { constants, Stats, Dirent, promises: { constants } };
for (const name of Object.keys(sync)) {
  fs[`${name}Sync`] = sync[name];
  Object.defineProperty(fs[`${name}Sync`], 'name', { value: `${name}Sync` });
  // What takes a callback is done now, and told later.
  fs[name] = (...args) => {
    const callback = args.pop();
    validateFunction(callback, 'cb');
    let err = null;
    let result;
    try {
      result = sync[name](...args);
    } catch (e) {
      if (typeof e.errno !== 'number') throw e;
      err = e;
    }
    setImmediate(() => (err === null ? callback(null, result) : callback(err)));
  };
  fs.promises[name] = async (...args) => sync[name](...args);
}
fs.realpathSync.native = fs.realpathSync;
fs.existsSync = (path) => {
  try {
    return typeof binding.stat(pathOf(path)) !== 'number';
  } catch {
    return false;
  }
};
fs.exists = (path, callback) => setImmediate(() => callback(fs.existsSync(path)));
for (const name of ['writeFile', 'appendFile', 'mkdir', 'rm', 'rmdir', 'unlink', 'rename', 'copyFile', 'chmod', 'write', 'symlink', 'truncate', 'mkdtemp']) {
  const refuse = () => { throw new ERR_FEATURE_UNAVAILABLE(`fs.${name}: writing`); };
  fs[name] = refuse;
  fs[`${name}Sync`] = refuse;
  fs.promises[name] = async () => refuse();
}
// createReadStream reads a file in pieces, each when it is asked for.
fs.createReadStream = function createReadStream(path, options) {
  const { Readable } = require('stream');
  const { fd: given, flags = 'r', start = 0, end = Infinity, autoClose = true, highWaterMark = 64 * 1024, ...rest } =
    typeof options === 'string' ? { encoding: options } : options ?? {};
  validateInteger(start, 'start', 0);
  if (end !== Infinity) validateInteger(end, 'end', start);
  let at = start;
  const stream = new Readable({
    ...rest, highWaterMark,
    construct(callback) {
      if (given !== undefined) {
        callback();
        return;
      }
      fs.open(path, flags, (err, fd) => {
        if (err) {
          callback(err);
          return;
        }
        stream.fd = fd;
        callback();
        stream.emit('open', fd);
        stream.emit('ready');
      });
    },
    read(size) {
      const length = Math.min(size, end - at + 1);
      if (length <= 0) {
        this.push(null);
        return;
      }
      const piece = Buffer.alloc(length);
      fs.read(stream.fd, piece, 0, length, given === undefined || start > 0 ? at : null, (err, n) => {
        if (err) {
          this.destroy(err);
          return;
        }
        at += n;
        stream.bytesRead += n;
        this.push(n > 0 ? piece.subarray(0, n) : null);
      });
    },
    destroy(err, callback) {
      if (stream.fd === null || !autoClose) {
        callback(err);
        return;
      }
      fs.close(stream.fd, (e) => callback(err || e));
      stream.fd = null;
    },
  });
  stream.close = (callback) => {
    if (typeof callback === 'function') stream.once('close', callback);
    stream.destroy();
  };
  return Object.assign(stream, { bytesRead: 0, fd: given ?? null, flags, path, start, end });
};
fs.createWriteStream = () => { throw new ERR_FEATURE_UNAVAILABLE('fs.createWriteStream: writing'); };
module.exports = fs;
require('internal/unavailable').fill('fs', fs, ['chown', 'cp', 'fchmod', 'fchown', 'fdatasync', 'fsync', 'ftruncate', 'futimes', 'lchown', 'link', 'lutimes', 'opendir', 'readlink',
  'readv', 'statfs', 'utimes', 'writev'].flatMap((name) => [name, `${name}Sync`]).concat('openAsBlob', 'watch', 'watchFile'), ['Dir', 'ReadStream', 'WriteStream']);
fs.unwatchFile = () => {};
