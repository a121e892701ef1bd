'use strict';
// AES, a line a step.
const { createCipheriv, createDecipheriv, getCiphers } = require('crypto');

const key = Buffer.from('000102030405060708090a0b0c0d0e0f1011121314151617' + '18191a1b1c1d1e1f', 'hex');
const iv = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
const text = 'a message of more than two blocks of sixteen';

for (const bits of [128, 192, 256]) {
  for (const [mode, vector] of [['ecb', null], ['cbc', iv], ['ctr', iv], ['gcm', iv.subarray(0, 12)]]) {
    const name = `aes-${bits}-${mode}`;
    const c = createCipheriv(name, key.subarray(0, bits / 8), vector);
    if (mode === 'gcm') c.setAAD(Buffer.from('and'));
    const pieces = [c.update(text.slice(0, 20), 'utf8', 'hex'), c.update(text.slice(20), 'utf8', 'hex'), c.final('hex')];
    const d = createDecipheriv(name, key.subarray(0, bits / 8), vector);
    if (mode === 'gcm') d.setAAD(Buffer.from('and')).setAuthTag(c.getAuthTag());
    const back = pieces.map((piece) => d.update(piece, 'hex', 'utf8'));
    console.log(name, getCiphers().includes(name), pieces, mode === 'gcm' ? c.getAuthTag() : '', back, d.final('utf8'));
  }
}

const bare = createCipheriv('AES-128-ECB', key.subarray(0, 16), '').setAutoPadding(false);
const block = Buffer.concat([bare.update('sixteen letters!'), bare.final()]);
console.log(block);
const d = createDecipheriv('aes-128-ecb', key.subarray(0, 16), null).setAutoPadding(false);
console.log(d.update(block, null, 'latin1') + d.final('latin1'));

function wrong(f) {
  try {
    console.log(f());
  } catch (err) {
    console.log(err.name, err.code, err.message);
  }
}
wrong(() => createCipheriv('aes-128-cbc', key, iv));
wrong(() => createCipheriv('aes-128-cbc', key.subarray(0, 16), 'short'));
wrong(() => createCipheriv('aes-128-none', key, iv));
wrong(() => createCipheriv('aes-128-ecb', key.subarray(0, 16), null).setAutoPadding(false).update('x') && 0);
wrong(() => {
  const d = createDecipheriv('aes-128-ecb', key.subarray(0, 16), null);
  d.update(block);
  return d.final();
});
wrong(() => {
  const d = createDecipheriv('aes-128-ecb', key.subarray(0, 16), null);
  d.update('123');
  return d.final();
});
wrong(() => {
  const d = createDecipheriv('aes-128-gcm', key.subarray(0, 16), iv.subarray(0, 12)).setAuthTag(Buffer.alloc(16));
  d.update('123');
  return d.final();
});
wrong(() => createDecipheriv('aes-128-gcm', key.subarray(0, 16), iv.subarray(0, 12)).setAuthTag(Buffer.alloc(3)));
