'use strict';
// What can be done with a Readable as with an array.

const { AbortError, codes: { ERR_INVALID_ARG_TYPE, ERR_MISSING_ARGS, ERR_OUT_OF_RANGE } } = require('internal/errors');
const { validateAbortSignal, validateInteger, validateObject } = require('internal/validators');

function check(f, options) {
  if (typeof f !== 'function') throw new ERR_INVALID_ARG_TYPE('fn', ['Function', 'AsyncFunction'], f);
  checkOptions(options);
  if (options?.concurrency !== undefined) validateInteger(options.concurrency, 'options.concurrency', 1);
}

function checkOptions(options) {
  if (options != null) validateObject(options, 'options');
  if (options?.signal != null) validateAbortSignal(options.signal, 'options.signal');
}

function checkSignal(options) {
  if (options?.signal?.aborted) throw new AbortError(undefined, { cause: options.signal.reason });
}

function count(number) {
  number = Number(number);
  if (Number.isNaN(number)) return 0;
  if (number < 0) throw new ERR_OUT_OF_RANGE('number', '>= 0', number);
  return number;
}

// map calls f for up to options.concurrency chunks at a time, and keeps their order.
function map(f, options) {
  check(f, options);
  const concurrency = options?.concurrency ?? 1;
  const source = this;
  return async function* mapped() {
    const { signal } = new AbortController();
    const under = [];
    const chunks = source[Symbol.asyncIterator]();
    let over = false;
    try {
      while (!over || under.length > 0) {
        while (!over && under.length < concurrency) {
          checkSignal(options);
          const { value, done } = await chunks.next();
          if (done) {
            over = true;
          } else {
            const result = (async () => f(value, { signal: options?.signal ?? signal }))();
            result.catch(() => {});
            under.push(result);
          }
        }
        if (under.length > 0) yield await under.shift();
      }
    } finally {
      if (!over) await chunks.return();
    }
  }.call(this);
}

const skipped = Symbol('skipped');

// Those that make another stream.
const streaming = {
  map,
  filter(f, options) {
    const found = map.call(this, async (v, o) => ((await f(v, o)) ? v : skipped), typeof f === 'function' ? options : check(f));
    return (async function*() {
      for await (const v of found) if (v !== skipped) yield v;
    })();
  },
  flatMap(f, options) {
    const lists = map.call(this, f, options);
    return (async function*() {
      for await (const list of lists) yield* list;
    })();
  },
  drop(number, options) {
    checkOptions(options);
    let left = count(number);
    return (async function*(source) {
      checkSignal(options);
      for await (const v of source) {
        checkSignal(options);
        if (left-- <= 0) yield v;
      }
    })(this);
  },
  take(number, options) {
    checkOptions(options);
    let left = count(number);
    return (async function*(source) {
      checkSignal(options);
      if (left <= 0) return;
      for await (const v of source) {
        checkSignal(options);
        yield v;
        if (--left <= 0) return;
      }
    })(this);
  },
};

// Those that make a promise.
const promising = {
  async forEach(f, options) {
    check(f, options);
    for await (const _ of map.call(this, f, options));
  },
  async toArray(options) {
    checkOptions(options);
    const list = [];
    for await (const v of this) {
      checkSignal(options);
      list.push(v);
    }
    checkSignal(options);
    return list;
  },
  async some(f, options) {
    check(f, options);
    for await (const v of map.call(this, f, options)) if (v) return true;
    return false;
  },
  async every(f, options) {
    check(f, options);
    return !(await promising.some.call(this, async (...a) => !(await f(...a)), options));
  },
  async find(f, options) {
    for await (const v of streaming.filter.call(this, f, options)) return v;
    return undefined;
  },
  async reduce(f, initial, options) {
    check(f, options);
    let value = initial;
    let empty = arguments.length < 2;
    for await (const v of this) {
      checkSignal(options);
      value = empty ? v : await f(value, v, { signal: options?.signal });
      empty = false;
    }
    if (empty) {
      const err = new TypeError('Reduce of an empty stream requires an initial value');
      err.code = new ERR_MISSING_ARGS('reduce').code;
      throw err;
    }
    return value;
  },
};

module.exports = { promising, streaming };
