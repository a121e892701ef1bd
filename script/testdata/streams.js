'use strict';
// What streams do, a line a step.
const { Duplex, PassThrough, Readable, Stream, Transform, Writable, addAbortSignal, finished, pipeline } = require('stream');
const promises = require('stream/promises');
const consumers = require('stream/consumers');
const { inherits, promisify } = require('util');
const fs = require('fs');

// Packages of old make their streams like this.
function Old() {
  Stream.call(this);
  this.writable = true;
}
inherits(Old, Stream);
Old.prototype.write = function(chunk) {
  console.log('old', String(chunk));
  return true;
};
Old.prototype.end = function() { console.log('old end'); };

function Boxes() {
  if (!(this instanceof Boxes)) return new Boxes();
  Transform.call(this, { objectMode: true });
}
inherits(Boxes, Transform);
Boxes.prototype._transform = function(value, encoding, callback) {
  this.push({ value });
  callback();
};

class Letters extends Readable {
  #n = 0;
  constructor() { super({ encoding: 'utf8', highWaterMark: 2 }); }
  _construct(callback) { setTimeout(callback, 1); }
  _read() { this.push(this.#n++ < 3 ? 'é' : null); }
  _destroy(err, callback) {
    console.log('destroyed', err?.name ?? null);
    callback(err);
  }
}

const until = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

(async () => {
  const heard = [];
  const upper = new Transform({
    transform(chunk, encoding, callback) { callback(null, String(chunk).toUpperCase()); },
    flush(callback) { callback(null, '!'); },
  });
  const slow = new Writable({
    write(chunk, encoding, callback) {
      heard.push(String(chunk));
      setImmediate(callback);
    },
  });
  await until(Readable.from(['a', 'b', 'c']).pipe(upper).pipe(slow), 'finish');
  console.log(heard, slow.writableFinished, upper.readableEnded);

  await promisify(pipeline)(
    Readable.from(['x', 'y']),
    async function* (source) { for await (const chunk of source) yield chunk + chunk; },
    new PassThrough({ objectMode: true }),
    async (source) => { for await (const chunk of source) console.log('got', String(chunk)); });
  await promises.pipeline(Readable.from(['x']), new Transform({ transform(chunk, encoding, callback) { callback(new Error('no')); } }), new PassThrough())
    .catch((err) => console.log('pipeline', err.message));

  const both = new Duplex({
    read() {
      this.push('in');
      this.push(null);
    },
    write(chunk, encoding, callback) {
      console.log('written', chunk, encoding);
      callback();
    },
  });
  for (const name of ['end', 'finish', 'close']) both.on(name, () => console.log(name));
  both.on('data', (chunk) => console.log('data', chunk));
  both.end('out');
  await promises.finished(both);

  const failing = new Readable({ read() {} });
  failing.on('error', (err) => console.log('error', err.message));
  finished(failing, (err) => console.log('finished', err.message));
  failing.destroy(new Error('boom'));
  await until(failing, 'close');

  console.log(await Readable.from([1, 2, 3, 4]).filter((n) => n % 2).map((n) => n * 2).toArray(), await Readable.from('abc').toArray());
  console.log(await consumers.text(Readable.from(['a', Buffer.from('b')])), await consumers.json(Readable.from(['{"a":', '1}'])));
  console.log(await Readable.from([1, 2, 3]).reduce((a, b) => a + b), await Readable.from([1, 2, 3]).some((n) => n > 2), await Readable.from([5, 6]).drop(1).toArray());

  const refusing = new Writable({ write(chunk, encoding, callback) { callback(new Error('bad')); } });
  refusing.on('error', (err) => console.log('refused', err.message));
  refusing.write('x', (err) => console.log('callback', err.message));
  await until(refusing, 'close');

  const old = Readable.from(['q']);
  old.pipe(new Old());
  await until(old, 'close');
  const boxes = Boxes();
  boxes.on('data', (box) => console.log(box));
  boxes.write(1);
  boxes.end(2);
  await until(boxes, 'end');

  let all = '';
  for await (const letter of new Letters()) all += letter;
  console.log(all);
  for await (const letter of new Letters()) {
    console.log(typeof letter);
    break;
  }
  console.log(slow instanceof Stream, both instanceof Writable, both instanceof Readable, slow instanceof Readable);

  const pieces = new Readable({ read() {} });
  pieces.push('abcdef');
  pieces.push(null);
  pieces.on('readable', () => { for (let piece; (piece = pieces.read(4)) !== null;) console.log('read', piece.toString()); });
  await until(pieces, 'end');

  const narrow = new Writable({ highWaterMark: 3, write(chunk, encoding, callback) { setTimeout(callback, 1); } });
  console.log(narrow.write('ab'), narrow.write('cd'), narrow.writableLength, narrow.writableNeedDrain);
  await until(narrow, 'drain');
  console.log('drained', narrow.writableLength);
  const gathered = new Writable({
    writev(chunks, callback) {
      console.log(chunks.map(({ chunk }) => String(chunk)));
      callback();
    },
  });
  gathered.cork();
  gathered.write('1');
  gathered.write('2');
  gathered.uncork();
  gathered.end('3');
  await until(gathered, 'finish');

  const late = new Writable({ write(chunk, encoding, callback) { callback(); } });
  late.on('error', (err) => console.log(err.code));
  late.end('x');
  late.write('y');
  for (const wrong of [null, 5]) {
    try {
      new Writable({ write() {} }).write(wrong);
    } catch (err) {
      console.log(err.code);
    }
  }

  const stopper = new AbortController();
  const stopped = addAbortSignal(stopper.signal, new Readable({ read() {} }));
  stopper.abort();
  await promises.finished(stopped).catch((err) => console.log(err.name, err.code));

  let bytes = 0;
  for await (const piece of fs.createReadStream(__filename, { highWaterMark: 100 })) bytes += piece.length;
  console.log(bytes === fs.statSync(__filename).size);
  fs.createReadStream(__filename, { start: 1, end: 10, encoding: 'utf8' }).on('data', (text) => console.log(text)).on('close', () => {
    fs.createReadStream('nowhere').on('error', (err) => console.log(err.code));
  });
})();
