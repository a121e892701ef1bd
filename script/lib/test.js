'use strict';
// As much of node:test as runs tests one after the other and tells of each.

const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

const queue = [];
let running = false;
let failed = 0;
let depth = 0;

function parse(args) {
  const f = args.find((a) => typeof a === 'function');
  const name = args.find((a) => typeof a === 'string') ?? f?.name ?? '<anonymous>';
  const options = args.find((a) => a !== null && typeof a === 'object') ?? {};
  return { f, name, options };
}

async function one({ f, name, options }, level) {
  const pad = '    '.repeat(level);
  if (options.skip || f === undefined) {
    console.log(`${pad}ok - ${name} # SKIP`);
    return;
  }
  const after = [];
  const context = { name, test: (...args) => one(parse(args), level + 1), after: (g) => after.push(g), diagnostic: (m) => console.log(`${pad}# ${m}`) };
  try {
    if (f.length > 1) await new Promise((resolve, reject) => { f(context, (err) => (err ? reject(err) : resolve())); });
    else await f(context);
    for (const g of after) await g();
    console.log(`${pad}ok - ${name}`);
  } catch (err) {
    failed++;
    console.log(`${pad}not ok - ${name}`);
    console.log(`${pad}  ${require('util').inspect(err).replaceAll('\n', `\n${pad}  `)}`);
  }
}

async function run() {
  if (running) return;
  running = true;
  while (queue.length > 0) {
    const { job, resolve } = queue.shift();
    await job();
    resolve();
  }
  running = false;
  if (failed > 0) process.exitCode = 1;
}

function enqueue(job) {
  return new Promise((resolve) => {
    queue.push({ job, resolve });
    setImmediate(run);
  });
}

let suite = null;

function test(...args) {
  const spec = parse(args);
  if (suite !== null) {
    suite.push(spec);
    return Promise.resolve();
  }
  const level = depth;
  return enqueue(() => one(spec, level));
}

function describe(...args) {
  const { f, name, options } = parse(args);
  const outer = suite;
  const mine = [];
  suite = mine;
  if (!options.skip) f?.();
  suite = outer;
  const spec = {
    name, options,
    async f() {
      for (const t of mine) await one(t, 1);
    },
  };
  if (outer !== null) {
    outer.push(spec);
    return Promise.resolve();
  }
  return enqueue(() => one(spec, 0));
}

test.skip = (...args) => test(...args, { skip: true });
describe.skip = (...args) => describe(...args, { skip: true });
module.exports = Object.assign(test, { test, it: test, describe, suite: describe });
for (const name of ['before', 'after', 'beforeEach', 'afterEach', 'mock', 'run']) {
  module.exports[name] = () => { throw new ERR_FEATURE_UNAVAILABLE(`node:test's ${name}`); };
}
