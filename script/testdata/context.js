// What AsyncLocalStorage holds, wherever a program can be called.
const { AsyncLocalStorage, AsyncResource } = require('async_hooks');
const dgram = require('dgram');
const dns = require('dns');
const storage = new AsyncLocalStorage();
const lines = [];
const note = (what) => lines.push(`${what}: ${storage.getStore()}`);

const a = storage.run('made', () => dgram.createSocket('udp4'));
const b = dgram.createSocket('udp4');
storage.run('listener', () => {
  a.on('message', () => note('message'));
  b.on('message', () => note('message of a socket made outside'));
  a.on('close', () => note("'close'"));
});
storage.run('bind', () => {
  a.bind(0, '127.0.0.1', () => {
    note('callback of bind');
    storage.run('second bind', () => b.bind(0, '127.0.0.1', () => {
      storage.run('connect', () => b.connect(a.address().port, '127.0.0.1', () => {
        note('callback of connect');
        storage.run('send', () => b.send('x', () => note('callback of send')));
        let chains = 2;
        for (const chain of ['chain', 'other chain']) {
          let n = 0;
          storage.run(chain, () => b.send('x', function again() {
            if (++n % 10 === 0) note(`callback ${n} of ${chain}`);
            if (n < 100) b.send('x', again);
            else if (--chains === 0) setTimeout(end, 100);
          }));
        }
      }));
    }));
  });
});
const c = dgram.createSocket('udp4');
storage.run('unbound', () => c.send('x', 9, '127.0.0.1', () => {
  note('callback of a send that waited for the bind');
  storage.run('too long', () => c.send(Buffer.alloc(70000), 9, '127.0.0.1', (err) => {
    note(`callback with ${err.code}`);
    c.close();
  }));
}));
const d = dgram.createSocket({ type: 'udp4', lookup: (host, family, callback) => setImmediate(callback, null, '127.0.0.1') });
storage.run('lookup', () => d.send('x', 9, 'name', () => {
  note('callback of a send that waited for a lookup');
  d.close();
}));
storage.run('dns', () => dns.lookup('127.0.0.1', () => note('callback of a literal dns.lookup')));
storage.run('name', () => dns.lookup('localhost', () => note('callback of dns.lookup')));
storage.run('promised name', () => dns.promises.lookup('localhost').then(() => note('then of dns.promises.lookup')));

storage.run('timer', () => setTimeout(() => note('timeout'), 1));
storage.run('interval', () => { const t = setInterval(() => { note('interval'); clearInterval(t); }, 1); });
storage.run('immediate', () => setImmediate(() => note('immediate')));
storage.run('tick', () => process.nextTick(() => note('tick')));
storage.run('microtask', () => queueMicrotask(() => note('microtask')));
storage.run('promise', () => Promise.resolve().then(() => note('then')).then(() => note('second then')).finally(() => note('finally')));
storage.run('rejected', () => Promise.reject(1).catch(() => note('catch')));
const p = storage.run('maker', () => new Promise((resolve) => setTimeout(resolve, 2)));
storage.run('waiter', () => p.then(() => note("then of another's promise")));
p.then(() => note('then outside'));
storage.run('async', async () => {
  note('async function');
  await null;
  note('after await');
  await new Promise((resolve) => setTimeout(resolve, 1));
  note('after a timer was awaited');
  storage.enterWith('entered within');
  await null;
  note('after enterWith and await');
  process.nextTick(() => note('tick after enterWith'));
});
(async () => {
  storage.enterWith('entered');
  await null;
  note('after enterWith at the top and await');
})();
storage.enterWith(undefined);
storage.run('all', async () => {
  await Promise.all(['one', 'two'].map((name) => storage.run(name, async () => {
    await null;
    note(`branch ${name}`);
  })));
  note('after Promise.all');
});
async function* generator() {
  note('generator');
  yield 1;
  note('generator again');
}
storage.run('generator', async () => { for await (const x of generator()) note(`loop ${x}`); });

const emitter = new (require('events'))();
storage.run('on', () => emitter.on('event', () => note('listener of an emitter')));
storage.run('emit', () => emitter.emit('event'));
const controller = new AbortController();
storage.run('on abort', () => controller.signal.addEventListener('abort', () => note('abort')));
storage.run('abort', () => controller.abort());
storage.run('outer', () => {
  storage.exit(() => note('exit'));
  try {
    storage.run('inner', () => { throw new Error(); });
  } catch {
    note('after a throw');
  }
});
const bound = storage.run('bound', () => AsyncLocalStorage.bind((x) => note(`bound ${x}`)));
const snapshot = storage.run('snapshot', () => AsyncLocalStorage.snapshot());
const resource = storage.run('resource', () => new AsyncResource('TEST'));
storage.run('elsewhere', () => {
  bound(1);
  snapshot(() => note('snapshot'));
  resource.runInAsyncScope(() => note('resource'));
});
const other = new AsyncLocalStorage();
storage.run('both', () => other.run('other', () => setTimeout(() => note(`two storages, ${other.getStore()}`), 1)));
note('main');
function end() {
  storage.run('closing', () => {
    a.close(() => note('callback of close'));
    b.close();
  });
}
process.on('exit', () => console.log([...new Set(lines)].sort().join('\n')));
