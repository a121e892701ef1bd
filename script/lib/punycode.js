'use strict';
// Punycode, RFC 3492, and the names of hosts in it, RFC 3490.

const base = 36;
const tMin = 1;
const tMax = 26;
const most = 2147483647;

function adapt(delta, points, first) {
  delta = first ? Math.floor(delta / 700) : delta >> 1;
  delta += Math.floor(delta / points);
  let k = 0;
  for (; delta > (base - tMin) * tMax / 2; k += base) delta = Math.floor(delta / (base - tMin));
  return k + Math.floor((base - tMin + 1) * delta / (delta + 38));
}

const threshold = (k, bias) => Math.min(Math.max(k - bias, tMin), tMax);

function decode(input) {
  const cut = Math.max(input.lastIndexOf('-'), 0);
  const out = [...input.slice(0, cut)].map((c) => {
    if (c.charCodeAt(0) >= 0x80) throw new RangeError('Illegal input >= 0x80 (not a basic code point)');
    return c.charCodeAt(0);
  });
  let n = 128;
  let bias = 72;
  let i = 0;
  for (let at = cut > 0 ? cut + 1 : 0; at < input.length;) {
    const before = i;
    for (let w = 1, k = base; ; k += base) {
      const digit = Number.parseInt(input[at++] ?? '', 36);
      if (Number.isNaN(digit)) throw new RangeError('Invalid input');
      const value = digit < 10 ? digit + 26 : digit - 10;
      i += value * w;
      if (i > most) throw new RangeError('Overflow: input needs wider integers to process');
      const t = threshold(k, bias);
      if (value < t) break;
      w *= base - t;
    }
    bias = adapt(i - before, out.length + 1, before === 0);
    n += Math.floor(i / (out.length + 1));
    i %= out.length + 1;
    out.splice(i++, 0, n);
  }
  return String.fromCodePoint(...out);
}

function encode(input) {
  const points = [...input].map((c) => c.codePointAt(0));
  let out = points.filter((c) => c < 128).map((c) => String.fromCharCode(c)).join('');
  const basic = out.length;
  let done = basic;
  if (basic > 0) out += '-';
  let n = 128;
  let delta = 0;
  let bias = 72;
  while (done < points.length) {
    const next = Math.min(...points.filter((c) => c >= n));
    delta += (next - n) * (done + 1);
    if (delta > most) throw new RangeError('Overflow: input needs wider integers to process');
    n = next;
    for (const c of points) {
      if (c < n) delta++;
      if (c !== n) continue;
      let q = delta;
      for (let k = base; ; k += base) {
        const t = threshold(k, bias);
        if (q < t) break;
        out += digit(t + (q - t) % (base - t));
        q = Math.floor((q - t) / (base - t));
      }
      out += digit(q);
      bias = adapt(delta, done + 1, done === basic);
      delta = 0;
      done++;
    }
    delta++;
    n++;
  }
  return out;
}

function digit(value) { return String.fromCharCode(value < 26 ? value + 97 : value + 22); }

// labels calls f for each part of a name.
function labels(name, f) {
  const at = name.lastIndexOf('@') + 1;
  return name.slice(0, at) + name.slice(at).split(/[.\u3002\uFF0E\uFF61]/).map(f).join('.');
}

module.exports = {
  version: '2.1.0',
  decode, encode,
  toASCII: (name) => labels(name, (l) => (/[^\0-\x7F]/.test(l) ? `xn--${encode(l)}` : l)),
  toUnicode: (name) => labels(name, (l) => (l.startsWith('xn--') ? decode(l.slice(4).toLowerCase()) : l)),
  ucs2: { decode: (text) => [...text].map((c) => c.codePointAt(0)), encode: (points) => String.fromCodePoint(...points) },
};
