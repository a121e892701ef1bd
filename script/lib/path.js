'use strict';
// path, of POSIX.

const { validateObject, validateString } = require('internal/validators');

// tidy resolves "." and "..": those that lead above the start stay, in a relative path.
function tidy(text, absolute) {
  const out = [];
  for (const part of text.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
    else if (!absolute) out.push('..');
  }
  return out.join('/');
}

const path = {
  sep: '/',
  delimiter: ':',
  isAbsolute(p) {
    validateString(p, 'path');
    return p.startsWith('/');
  },
  normalize(p) {
    validateString(p, 'path');
    if (p === '') return '.';
    const absolute = p.startsWith('/');
    let text = tidy(p, absolute);
    if (text === '') {
      if (absolute) return '/';
      return p.endsWith('/') ? './' : '.';
    }
    if (p.endsWith('/')) text += '/';
    return absolute ? `/${text}` : text;
  },
  join(...parts) {
    for (const p of parts) validateString(p, 'path');
    const joined = parts.filter((p) => p !== '').join('/');
    return joined === '' ? '.' : path.normalize(joined);
  },
  resolve(...parts) {
    let text = '';
    for (let i = parts.length - 1; i >= 0 && !text.startsWith('/'); i--) {
      validateString(parts[i], `paths[${i}]`);
      if (parts[i] !== '') text = text === '' ? parts[i] : `${parts[i]}/${text}`;
    }
    if (!text.startsWith('/')) text = `${process.cwd()}/${text}`;
    return `/${tidy(text, true)}`;
  },
  relative(from, to) {
    validateString(from, 'from');
    validateString(to, 'to');
    const a = path.resolve(from).split('/').filter(Boolean);
    const b = path.resolve(to).split('/').filter(Boolean);
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same++;
    return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
  },
  dirname(p) {
    validateString(p, 'path');
    if (p === '') return '.';
    const bare = p.replace(/\/+$/, '');
    if (bare === '') return '/';
    const at = bare.lastIndexOf('/');
    if (at < 0) return '.';
    return bare.slice(0, at) || '/';
  },
  basename(p, suffix) {
    if (suffix !== undefined) validateString(suffix, 'suffix');
    validateString(p, 'path');
    const base = p.replace(/\/+$/, '').replace(/^.*\//s, '');
    return suffix !== undefined && base !== suffix && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
  },
  extname(p) {
    validateString(p, 'path');
    const base = path.basename(p);
    const at = base.lastIndexOf('.');
    return at <= 0 || /^\.+$/.test(base.slice(0, at + 1)) && base === '..' ? '' : base.slice(at);
  },
  parse(p) {
    validateString(p, 'path');
    const root = p.startsWith('/') ? '/' : '';
    const base = path.basename(p);
    const ext = path.extname(p);
    const dir = p.includes('/') ? path.dirname(p) : '';
    return { root, dir: base === '' ? root : dir, base, ext, name: base.slice(0, base.length - ext.length) };
  },
  format(object) {
    validateObject(object, 'pathObject');
    const base = object.base || `${object.name || ''}${object.ext ? (object.ext[0] === '.' ? '' : '.') + object.ext : ''}`;
    const dir = object.dir || object.root;
    if (!dir) return base;
    return dir === object.root ? `${dir}${base}` : `${dir}/${base}`;
  },
  toNamespacedPath: (p) => p,
};
path.posix = path;
path.win32 = path;
module.exports = path;
