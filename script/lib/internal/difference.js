'use strict';
// The message of an assertion: the two values, and where they differ.

const { inspect } = require('internal/inspect');

const titles = {
  'deepStrictEqual': 'Expected values to be strictly deep-equal:',
  'strictEqual': 'Expected values to be strictly equal:',
  'partialDeepStrictEqual': 'Expected values to be partially and strictly deep-equal:',
  'deepEqual': 'Expected values to be loosely deep-equal:',
  'notDeepStrictEqual': 'Expected "actual" not to be strictly deep-equal to:',
  'notStrictEqual': 'Expected "actual" to be strictly unequal to:',
  'notStrictEqualObject': 'Expected "actual" not to be reference-equal to "expected":',
  'notDeepEqual': 'Expected "actual" not to be loosely deep-equal to:',
  'notIdentical': 'Values identical but not reference-equal:',
  'throws': 'Expected values to be strictly deep-equal:',
  'rejects': 'Expected values to be strictly deep-equal:',
};

function show(value) {
  return inspect(value, {
    compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true,
    getters: true, breakLength: Infinity,
  });
}

// script returns the shortest list of lines to keep, take away and add.
function script(a, b) {
  const n = a.length;
  const m = b.length;
  if (n * m > 1_000_000) return [...a.map((l) => ['+', l]), ...b.map((l) => ['-', l])];
  const best = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const out = [];
  let i = 0;
  let j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[i] === b[j]) {
      out.push([' ', a[i++]]);
      j++;
    } else if (i < n && (j >= m || best[i + 1][j] >= best[i][j + 1])) {
      out.push(['+', a[i++]]);
    } else {
      out.push(['-', b[j++]]);
    }
  }
  return out;
}

function difference(actual, expected, operator) {
  if (operator === '==' || operator === '!=') return `${inspect(actual)} ${operator} ${inspect(expected)}`;
  if (operator.startsWith('not')) {
    const object = typeof actual === 'object' && actual !== null;
    const text = show(actual);
    const title = operator === 'notStrictEqual' && object ? titles.notStrictEqualObject : titles[operator];
    return text.includes('\n') ? `${title}\n\n${text}\n` : `${title.replace(/:$/, text.length > 5 ? ':\n\n' : ':')} ${text}`.replace('\n\n ', '\n\n');
  }
  const title = titles[operator] ?? `${operator}:`;
  const a = show(actual);
  const b = show(expected);
  if (operator === 'deepEqual') return `${title}\n\n${a}\n\nshould loosely deep-equal\n\n${b}`;
  const simple = [actual, expected].every((v) => (typeof v !== 'object' || v === null) && typeof v !== 'function');
  if (simple && !a.includes('\n') && !b.includes('\n') && a.length + b.length <= 12 && (actual !== 0 || expected !== 0)) {
    return `${title}\n\n${a} !== ${b}\n`;
  }
  if (a === b) return `${titles.notIdentical}\n\n${a}\n`;
  const lines = script(a.split('\n'), b.split('\n'));
  // Of what is the same, two lines are kept around each difference.
  const keep = lines.map(() => false);
  lines.forEach(([kind], i) => {
    if (kind !== ' ') for (let k = Math.max(0, i - 2); k <= Math.min(lines.length - 1, i + 2); k++) keep[k] = true;
  });
  let skipped = false;
  const out = [];
  lines.forEach(([kind, line], i) => {
    if (lines.length <= 12 || keep[i]) {
      out.push(`${kind} ${line}`);
      skipped = false;
    } else if (!skipped) {
      out.push('...');
      skipped = true;
    }
  });
  return `${title}\n+ actual - expected\n\n${out.join('\n')}\n`;
}

module.exports = { difference };
