'use strict';
// console.table's picture.

const { inspect } = require('internal/inspect');

function cell(value) {
  return inspect(value, { maxArrayLength: 3, breakLength: Infinity, depth: value !== null && typeof value === 'object' &&
    !Array.isArray(value) && Object.keys(value).length > 2 ? -1 : 0 });
}

function table(data, columns) {
  const entries = data instanceof Map || data instanceof Set ? [...data.entries()] : Object.entries(data);
  const keys = [];
  let primitives = false;
  const rows = entries.map(([index, row]) => {
    const cells = new Map();
    if (row === null || typeof row !== 'object') {
      primitives = true;
      return [`${index}`, cells, cell(row)];
    }
    for (const key of columns ?? Object.keys(row)) {
      if (!keys.includes(key)) keys.push(key);
      if (Object.hasOwn(row, key)) cells.set(key, cell(row[key]));
    }
    return [`${index}`, cells, ''];
  });
  const head = ['(index)', ...keys.map(String)];
  if (primitives) head.push('Values');
  const lines = rows.map(([index, cells, value]) => {
    const line = [index, ...keys.map((k) => cells.get(k) ?? '')];
    if (primitives) line.push(value);
    return line;
  });
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i].length)) + 2);
  const draw = (line) => `│${line.map((c, i) => ` ${c}${' '.repeat(widths[i] - c.length - 1)}`).join('│')}│`;
  const rule = (a, b, c) => `${a}${widths.map((w) => '─'.repeat(w)).join(b)}${c}`;
  return [rule('┌', '┬', '┐'), draw(head), rule('├', '┼', '┤'), ...lines.map(draw), rule('└', '┴', '┘')].join('\n');
}

module.exports = { table };
