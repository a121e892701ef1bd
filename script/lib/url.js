'use strict';
// URL, URLSearchParams and what turns files into URLs and back.

const binding = internalBinding('url');
const path = require('path');
const { inspect } = require('internal/inspect');
const { codes: { ERR_INVALID_ARG_TYPE, ERR_INVALID_FILE_URL_HOST, ERR_INVALID_FILE_URL_PATH, ERR_INVALID_URL, ERR_INVALID_URL_SCHEME } } = require('internal/errors');

const encode = (text) => encodeURIComponent(text).replace(/%20/g, '+').replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const decode = (text) => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
};

class URLSearchParams {
  #list = [];
  #changed;
  constructor(init = '', changed = undefined) {
    this.#changed = changed;
    if (typeof init === 'object' && init !== null) {
      const pairs = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
      this.#list = pairs.map(([k, v]) => [`${k}`, `${v}`]);
      return;
    }
    for (const pair of `${init}`.replace(/^\?/, '').split('&')) {
      if (pair === '') continue;
      const at = pair.indexOf('=');
      this.#list.push(at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))]);
    }
  }
  #touch(list) {
    this.#list = list;
    this.#changed?.(this.toString());
  }
  get size() { return this.#list.length; }
  append(k, v) { this.#touch([...this.#list, [`${k}`, `${v}`]]); }
  delete(k, v) { this.#touch(this.#list.filter(([a, b]) => a !== `${k}` || (v !== undefined && b !== `${v}`))); }
  get(k) { return this.#list.find(([a]) => a === `${k}`)?.[1] ?? null; }
  getAll(k) { return this.#list.filter(([a]) => a === `${k}`).map(([, b]) => b); }
  has(k, v) { return this.#list.some(([a, b]) => a === `${k}` && (v === undefined || b === `${v}`)); }
  set(k, v) {
    const at = this.#list.findIndex(([a]) => a === `${k}`);
    if (at < 0) this.append(k, v);
    else this.#touch(this.#list.filter(([a], i) => a !== `${k}` || i === at).map((p) => (p[0] === `${k}` ? [p[0], `${v}`] : p)));
  }
  sort() { this.#touch([...this.#list].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))); }
  forEach(f, self) { for (const [k, v] of this.#list) f.call(self, v, k, this); }
  * entries() { yield* this.#list.map((p) => [...p]); }
  * keys() { yield* this.#list.map(([k]) => k); }
  * values() { yield* this.#list.map(([, v]) => v); }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#list.map(([k, v]) => `${encode(k)}=${encode(v)}`).join('&'); }
  [inspect.custom](depth, options) {
    const parts = this.#list.map(([k, v]) => `${inspect(k, options)} => ${inspect(v, options)}`);
    return parts.length === 0 ? 'URLSearchParams {}' : `URLSearchParams { ${parts.join(', ')} }`;
  }
}

class URL {
  #p;
  #params;
  constructor(input, base) {
    const parts = binding.parse(`${input}`, base === undefined ? undefined : `${base}`);
    if (parts === undefined) {
      const err = new ERR_INVALID_URL();
      err.input = `${input}`;
      if (base !== undefined) err.base = `${base}`;
      throw err;
    }
    const [protocol, username, password, hostname, port, pathname, search, hash] = parts;
    this.#p = { protocol, username, password, hostname, port, pathname, search, hash };
  }
  static canParse(input, base) { return binding.parse(`${input}`, base === undefined ? undefined : `${base}`) !== undefined; }
  static parse(input, base) { return URL.canParse(input, base) ? new URL(input, base) : null; }
  get protocol() { return this.#p.protocol; }
  set protocol(v) { this.#p.protocol = `${v}`.replace(/:?$/, ':'); }
  get username() { return this.#p.username; }
  set username(v) { this.#p.username = encodeURIComponent(v); }
  get password() { return this.#p.password; }
  set password(v) { this.#p.password = encodeURIComponent(v); }
  get hostname() { return this.#p.hostname; }
  set hostname(v) { this.#p.hostname = `${v}`; }
  get port() { return this.#p.port; }
  set port(v) { this.#p.port = `${v}`; }
  get host() { return this.#p.hostname + (this.#p.port === '' ? '' : `:${this.#p.port}`); }
  set host(v) { [, this.#p.hostname, this.#p.port = ''] = /^(.*?)(?::(\d+))?$/.exec(`${v}`); }
  get origin() { return /^(https?|wss?|ftp):$/.test(this.protocol) ? `${this.protocol}//${this.host}` : 'null'; }
  get pathname() { return this.#p.pathname; }
  set pathname(v) { this.#p.pathname = encodeURI(`${v}`); }
  get search() { return this.#p.search; }
  set search(v) {
    this.#p.search = v === '' ? '' : `${v}`.replace(/^\??/, '?');
    this.#params = undefined;
  }
  get searchParams() {
    this.#params ??= new URLSearchParams(this.#p.search, (text) => { this.#p.search = text === '' ? '' : `?${text}`; });
    return this.#params;
  }
  get hash() { return this.#p.hash; }
  set hash(v) { this.#p.hash = v === '' ? '' : `${v}`.replace(/^#?/, '#'); }
  get href() {
    const user = this.username === '' ? '' : `${this.username}${this.password === '' ? '' : `:${this.password}`}@`;
    const slashes = this.hostname !== '' || this.protocol === 'file:' ? '//' : '';
    return `${this.protocol}${slashes}${user}${this.host}${this.pathname}${this.search}${this.hash}`;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
  [inspect.custom](depth, options) {
    const { href, origin, protocol, username, password, host, hostname, port, pathname, search, searchParams, hash } = this;
    return `URL ${inspect({ href, origin, protocol, username, password, host, hostname, port, pathname, search, searchParams, hash }, options)}`;
  }
}

function fileURLToPath(input) {
  if (typeof input === 'string') input = new URL(input);
  else if (typeof input?.href !== 'string') throw new ERR_INVALID_ARG_TYPE('path', ['string', 'URL'], input);
  if (input.protocol !== 'file:') throw new ERR_INVALID_URL_SCHEME('file');
  if (input.hostname !== '' && input.hostname !== 'localhost') throw new ERR_INVALID_FILE_URL_HOST();
  if (/%2f/i.test(input.pathname)) throw new ERR_INVALID_FILE_URL_PATH('must not include encoded / characters');
  return decodeURIComponent(input.pathname);
}

function pathToFileURL(file) {
  const resolved = path.resolve(file) + (file.endsWith('/') && !file.endsWith('//') && file !== '/' ? '/' : '');
  return new URL(`file://${encodeURI(resolved).replace(/[?#]/g, encodeURIComponent)}`);
}

// parse and format are the old interface.
function parse(text, query = false) {
  const parts = binding.parse(text, undefined);
  const [protocol, user, password, hostname, port, pathname, search, hash] = parts ?? [null, '', '', null, null, text, '', ''];
  const auth = user ? `${user}${password ? `:${password}` : ''}` : null;
  const plain = search.replace(/^\?/, '') || null;
  return {
    protocol, slashes: hostname ? true : null, auth, host: hostname ? `${hostname}${port ? `:${port}` : ''}` : null, port: port || null,
    hostname: hostname || null, hash: hash || null, search: search || null,
    query: query ? require('querystring').parse(plain ?? '') : plain, pathname: pathname || null, path: `${pathname}${search}` || null,
    href: text,
  };
}

function format(value) {
  if (typeof value === 'string') return new URL(value).href;
  if (typeof value.href === 'string' && value instanceof URL) return value.href;
  const host = value.host ?? (value.hostname ? `${value.hostname}${value.port ? `:${value.port}` : ''}` : '');
  const search = value.search ?? (value.query && typeof value.query === 'object' ? `?${require('querystring').stringify(value.query)}` : '');
  return `${value.protocol ? value.protocol.replace(/:?$/, ':') : ''}${host || value.slashes ? '//' : ''}${value.auth ? `${value.auth}@` : ''}${host}${value.pathname ?? ''}${search}${value.hash ?? ''}`;
}

module.exports = {
  URL, URLSearchParams, fileURLToPath, format, parse, pathToFileURL,
  resolve: (from, to) => new URL(to, new URL(from, 'resolve://')).href.replace(/^resolve:(\/\/)?/, ''),
  domainToASCII: (d) => d.toLowerCase(), domainToUnicode: (d) => d,
  urlToHttpOptions: (u) => ({ protocol: u.protocol, hostname: u.hostname, hash: u.hash, search: u.search, pathname: u.pathname, path: `${u.pathname}${u.search}`, href: u.href }),
};
