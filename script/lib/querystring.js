'use strict';
// querystring: the old form of URLSearchParams.

const escape = (text) => encodeURIComponent(`${text}`).replace(/[!'()*]/g, (c) => c);
const unescape = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

function parse(text, separator = '&', equals = '=', options = {}) {
  const out = Object.create(null);
  const decode = options?.decodeURIComponent ?? unescape;
  if (typeof text !== 'string' || text === '') return out;
  for (const pair of text.split(separator)) {
    const at = pair.indexOf(equals);
    const key = decode((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '));
    const value = at < 0 ? '' : decode(pair.slice(at + equals.length).replaceAll('+', ' '));
    if (!(key in out)) out[key] = value;
    else if (Array.isArray(out[key])) out[key].push(value);
    else out[key] = [out[key], value];
  }
  return out;
}

function stringify(object, separator = '&', equals = '=') {
  if (object === null || typeof object !== 'object') return '';
  return Object.entries(object).flatMap(([k, v]) => (Array.isArray(v) ? v : [v]).map((x) =>
    `${escape(k)}${equals}${['string', 'number', 'bigint', 'boolean'].includes(typeof x) ? escape(x) : ''}`)).join(separator);
}

module.exports = { decode: parse, encode: stringify, escape, parse, stringify, unescape };
