'use strict';
// What the engine lacks of the language's own objects.

// complete adds it. define makes a global.
function complete(define) {
  const { stackHere } = internalBinding('errors');
  Error.stackTraceLimit ??= 10;
  Error.captureStackTrace ??= (object) => {
    let title = '';
    try {
      title = Error.prototype.toString.call(object);
    } catch {
      title = 'Error';
    }
    const lines = stackHere(1);
    Object.defineProperty(object, 'stack', {
      value: lines === '' ? title : `${title}\n${lines}`, writable: true, configurable: true, enumerable: false,
    });
  };
  for (const name of ['asyncIterator', 'dispose', 'asyncDispose']) {
    if (Symbol[name] === undefined) {
      Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`), writable: false, enumerable: false, configurable: false });
    }
  }
  // Without a view of the garbage collector, a weak reference holds for good.
  if (typeof WeakRef === 'undefined') {
    define('WeakRef', class WeakRef {
      #target;
      constructor(target) { this.#target = target; }
      deref() { return this.#target; }
    });
  }
  if (typeof FinalizationRegistry === 'undefined') {
    define('FinalizationRegistry', class FinalizationRegistry {
      register() {}
      unregister() { return false; }
    });
  }
  // Of Float16Array there is the view of bytes; its elements are numbers' bits.
  if (typeof Float16Array === 'undefined') {
    define('Float16Array', class Float16Array extends Uint16Array {
      get [Symbol.toStringTag]() { return 'Float16Array'; }
    });
  }
  Promise.withResolvers ??= function withResolvers() {
    let resolve;
    let reject;
    const promise = new this((a, b) => {
      resolve = a;
      reject = b;
    });
    return { promise, resolve, reject };
  };
  Array.fromAsync ??= async function fromAsync(items, map) {
    const out = [];
    const it = items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator]();
    for (let step = await it.next(); !step.done; step = await it.next()) {
      const value = await step.value;
      out.push(map === undefined ? value : await map(value, out.length));
    }
    return out;
  };
  method(String.prototype, 'isWellFormed', function isWellFormed() { return !lone.test(this); });
  method(String.prototype, 'toWellFormed', function toWellFormed() { return String(this).replace(new RegExp(lone.source, 'g'), '\uFFFD'); });
  method(Object, 'groupBy', function groupBy(items, key) {
    const groups = Object.create(null);
    let i = 0;
    for (const item of items) {
      const k = key(item, i++);
      (groups[typeof k === 'symbol' ? k : `${k}`] ??= []).push(item);
    }
    return groups;
  });
  method(Map, 'groupBy', function groupBy(items, key) {
    const groups = new Map();
    let i = 0;
    for (const item of items) {
      const k = key(item, i++);
      if (groups.has(k)) groups.get(k).push(item);
      else groups.set(k, [item]);
    }
    return groups;
  });
  accessors();
  iterators(define);
}

const lone = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

// method adds a method that is not there.
function method(object, name, value) {
  if (object[name] === undefined) Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
}

// accessors are the methods of objects from before there was Object.defineProperty.
function accessors() {
  const look = (object, name, kind) => {
    for (let o = Object(object); o !== null; o = Object.getPrototypeOf(o)) {
      const found = Object.getOwnPropertyDescriptor(o, name);
      if (found !== undefined) return found[kind];
    }
    return undefined;
  };
  method(Object.prototype, '__defineGetter__', function(name, get) {
    Object.defineProperty(this, name, { get, enumerable: true, configurable: true });
  });
  method(Object.prototype, '__defineSetter__', function(name, set) {
    Object.defineProperty(this, name, { set, enumerable: true, configurable: true });
  });
  method(Object.prototype, '__lookupGetter__', function(name) { return look(this, name, 'get'); });
  method(Object.prototype, '__lookupSetter__', function(name) { return look(this, name, 'set'); });
}

// iterators gives iterators their helpers, and Iterator.
function iterators(define) {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  const check = (f) => {
    if (typeof f !== 'function') throw new TypeError(`${typeof f} is not a function`);
    return f;
  };
  const count = (n) => {
    n = Math.trunc(Number(n));
    if (Number.isNaN(n) || n < 0) throw new RangeError(`${n} must be positive`);
    return n;
  };
  // each makes a generator of an iterator, which it closes when it is left.
  const each = (iterator, body) => body({ [Symbol.iterator]: () => iterator });
  const helpers = {
    map(f) {
      check(f);
      return each(this, function* (items) {
        let i = 0;
        for (const item of items) yield f(item, i++);
      });
    },
    filter(f) {
      check(f);
      return each(this, function* (items) {
        let i = 0;
        for (const item of items) if (f(item, i++)) yield item;
      });
    },
    take(limit) {
      let left = count(limit);
      return each(this, function* (items) {
        if (left === 0) return;
        for (const item of items) {
          yield item;
          if (--left === 0) return;
        }
      });
    },
    drop(limit) {
      let left = count(limit);
      return each(this, function* (items) {
        for (const item of items) if (left-- <= 0) yield item;
      });
    },
    flatMap(f) {
      check(f);
      return each(this, function* (items) {
        let i = 0;
        for (const item of items) yield* f(item, i++);
      });
    },
    reduce(f, ...initial) {
      check(f);
      let i = 0;
      let value = initial[0];
      for (const item of { [Symbol.iterator]: () => this }) {
        value = i === 0 && initial.length === 0 ? item : f(value, item, i);
        i++;
      }
      if (i === 0 && initial.length === 0) throw new TypeError('Reduce of a done iterator with no initial value');
      return value;
    },
    toArray() { return [...{ [Symbol.iterator]: () => this }]; },
    forEach(f) {
      check(f);
      let i = 0;
      for (const item of { [Symbol.iterator]: () => this }) f(item, i++);
    },
    some(f) {
      check(f);
      let i = 0;
      for (const item of { [Symbol.iterator]: () => this }) if (f(item, i++)) return true;
      return false;
    },
    every(f) {
      check(f);
      let i = 0;
      for (const item of { [Symbol.iterator]: () => this }) if (!f(item, i++)) return false;
      return true;
    },
    find(f) {
      check(f);
      let i = 0;
      for (const item of { [Symbol.iterator]: () => this }) if (f(item, i++)) return item;
      return undefined;
    },
  };
  for (const name of Object.keys(helpers)) method(prototype, name, helpers[name]);
  if (globalThis.Iterator !== undefined) return;
  function Iterator() {
    if (new.target === undefined || new.target === Iterator) throw new TypeError('Abstract class Iterator not directly constructable');
  }
  Iterator.prototype = prototype;
  Iterator.from = (items) => {
    const iterator = items?.[Symbol.iterator]?.() ?? items;
    if (iterator instanceof Iterator) return iterator;
    return Object.create(prototype, {
      next: { value: () => iterator.next() },
      return: { value: () => iterator.return?.() ?? { value: undefined, done: true } },
    });
  };
  define('Iterator', Iterator);
}

module.exports = { complete };
