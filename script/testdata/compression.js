'use strict';
// zlib and punycode, a line a step.
const zlib = require('zlib');
const punycode = require('node:punycode');
const { Readable } = require('stream');

const text = 'hello '.repeat(100);
for (const [there, back] of [['deflate', 'inflate'], ['gzip', 'gunzip'], ['deflateRaw', 'inflateRaw'], ['gzip', 'unzip'], ['deflate', 'unzip']]) {
  const small = zlib[`${there}Sync`](text);
  console.log(there, back, small.length < 60, zlib[`${back}Sync`](small).toString() === text);
}
const dictionary = Buffer.from('hello');
console.log(zlib.inflateSync(zlib.deflateSync('hello hello', { dictionary, level: 9 }), { dictionary }).toString());
console.log(zlib.inflateSync(Buffer.from('eJzLSM3JyVcozy/KSQEAGgsEXQ==', 'base64')).toString(), zlib.crc32('hello'), zlib.crc32('lo', zlib.crc32('hel')));

for (const [f, bytes] of [['inflateSync', Buffer.from('zz')], ['gunzipSync', Buffer.alloc(3)], ['inflateSync', zlib.deflateSync('hello').subarray(0, 8)],
  ['gunzipSync', zlib.gzipSync('hello').subarray(0, 15)], ['inflateSync', Buffer.alloc(0)], ['inflateSync', Buffer.concat([zlib.deflateSync('hello').subarray(0, -1), Buffer.from([0])])]]) {
  try {
    console.log(zlib[f](bytes));
  } catch (err) {
    console.log(f, err.code, err.errno, err.message);
  }
}
try {
  zlib.inflateSync(zlib.deflateSync(Buffer.alloc(1000)), { maxOutputLength: 10 });
} catch (err) {
  console.log(err.name, err.code, err.message);
}
zlib.gunzip(zlib.gzipSync('later'), (err, bytes) => {
  console.log(err, bytes.toString());
  zlib.inflate('nonsense', (err) => {
    console.log(err.code);
    Readable.from([Buffer.from('ab'), Buffer.from('c')]).pipe(zlib.createGzip()).pipe(zlib.createGunzip()).on('data', (piece) => console.log(piece));
  });
});

console.log(punycode.toASCII('mañana.com'), punycode.toUnicode('xn--maana-pta.com'), punycode.encode('☃-⌘'), punycode.decode('--dqo34k'));
console.log(punycode.toASCII('Bahnhof München-Überlingen'), punycode.toUnicode('xn--wgv71a119e.jp'), punycode.encode('日本語'), punycode.encode('abc'), punycode.ucs2.decode('a👋'));
