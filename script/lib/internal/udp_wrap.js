'use strict';
// The handle below dgram's Socket: what Node's udp_wrap is, by name and shape, on
// the socket of whatever network the script is on.

const { open, constants } = internalBinding('udp_wrap');
const { UV_ENETDOWN, UV_EBADF } = internalBinding('uv');
const { FastBuffer } = require('buffer');
const ticks = require('internal/ticks');

const { flags } = ticks;
let nextId = 1000;

// A SendWrap is one send that is under way.
class SendWrap {
  constructor() {
    this.oncomplete = undefined;
    if (ticks.hooks.bind !== undefined) {
      Object.defineProperty(this, kComplete, { value: ticks.hooks.bind((status, size) => this.oncomplete(status, size)) });
    }
  }
}
const kComplete = Symbol('oncomplete in its context');

const complete = ticks.guard((req, status, size) => {
  if (req[kComplete] === undefined) req.oncomplete(status, size);
  else req[kComplete](status, size);
});

// sent is called when a send that had to wait is over.
function sent(req, status, size) {
  if (req.oncomplete !== undefined) complete(req, status, size);
  if (flags[0] !== 0) ticks.runTicks();
}

// kTrySend is a handle's method that sends at once or not at all, for dgram's Socket. It
// takes one Uint8Array or a list of them, and returns one more than the length, 0 if it
// cannot be sent now, or a negative errno.
const kTrySend = Symbol('try to send');

class UDP {
  #h;
  #trySend;
  #closed = false;
  #id = ++nextId;

  constructor() {
    const handle = this;
    const receive = ticks.guard(ticks.inContext((nread, buffer, address, family, port) => {
      if (nread < 0) handle.onmessage(nread, handle, undefined, undefined);
      else handle.onmessage(nread, handle, buffer, { address, family, port, size: nread });
    }));
    this.#h = open((nread, buffer, address, family, port) => {
      receive(nread, buffer, address, family, port);
      if (flags[0] !== 0) ticks.runTicks();
    }, FastBuffer);
    this.#trySend = this.#h.trySend;
    this.onmessage = undefined;
  }

  get fd() { return this.#none() ? UV_EBADF : this.#h.fd(); }
  #none() { return this.#closed || this.#h.none === true; }
  #call(name, args) {
    if (this.#closed) return UV_EBADF;
    return this.#h.none === true ? UV_ENETDOWN : this.#h[name](...args);
  }

  bind(address, port, bindFlags) { return this.#call('bind', [address, port, bindFlags]); }
  bind6(address, port, bindFlags) { return this.#call('bind6', [address, port, bindFlags]); }
  open(fd) { return this.#call('openFd', [fd]); }
  connect(address, port) { return this.#call('connect', [address, port]); }
  connect6(address, port) { return this.#call('connect6', [address, port]); }
  disconnect() { return this.#call('disconnect', []); }
  getsockname(out) { return this.#call('getsockname', [out]); }
  getpeername(out) { return this.#call('getpeername', [out]); }
  recvStart() { return this.#call('recvStart', []); }
  recvStop() { return this.#call('recvStop', []); }
  setBroadcast(on) { return this.#call('setBroadcast', [Boolean(on)]); }
  setTTL(ttl) { return this.#call('setTTL', [ttl]); }
  setMulticastTTL(ttl) { return this.#call('setMulticastTTL', [ttl]); }
  setMulticastLoopback(on) { return this.#call('setMulticastLoopback', [Boolean(on)]); }
  setMulticastInterface(address) { return this.#call('setMulticastInterface', [address]); }
  addMembership(group, on) { return this.#call('addMembership', [group, on]); }
  dropMembership(group, on) { return this.#call('dropMembership', [group, on]); }
  addSourceSpecificMembership(source, group, on) { return this.#call('addSourceSpecificMembership', [source, group, on]); }
  dropSourceSpecificMembership(source, group, on) { return this.#call('dropSourceSpecificMembership', [source, group, on]); }

  // bufferSize returns the size, or undefined and says in ctx what went wrong.
  bufferSize(size, receive, ctx) {
    const got = this.#call('bufferSize', [size, Boolean(receive)]);
    if (got >= 0) return got;
    const [code, message] = internalBinding('uv').getErrorMap().get(got) ?? ['UNKNOWN', 'unknown error'];
    ctx.errno = got;
    ctx.code = code;
    ctx.message = message;
    ctx.syscall = receive ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
    return undefined;
  }

  getSendQueueSize() { return this.#none() ? 0 : this.#h.getSendQueueSize(); }
  getSendQueueCount() { return this.#none() ? 0 : this.#h.getSendQueueCount(); }

  // send and send6 take (req, list, count, port, address, hasCallback), or on a
  // connected socket (req, list, count, hasCallback). They return a negative errno, 0 if
  // req.oncomplete will be called, or one more than the length if all has gone.
  send(req, list, count, port, address, hasCallback) { return this.#send(4, req, list, port, address); }
  send6(req, list, count, port, address, hasCallback) { return this.#send(6, req, list, port, address); }
  #send(family, req, list, port, address) {
    if (this.#closed) return UV_EBADF;
    if (this.#h.none === true) return UV_ENETDOWN;
    const connected = typeof port === 'boolean' || port === undefined;
    return this.#h.send(list.length === 1 ? list[0] : list, connected ? -1 : port, address, family, sent, req);
  }
  [kTrySend](list, port, address, family) {
    if (this.#closed) return UV_EBADF;
    if (this.#h.none === true) return UV_ENETDOWN;
    if (this.#trySend === undefined) return 0;
    return this.#trySend(list, port, address, family);
  }

  // Beyond Node: refuse drops the datagram that onmessage is being called with, stats
  // says what became of all, also after close.
  refuse() { if (!this.#none()) this.#h.refuse(); }
  stats() {
    if (this.#h.none === true) return { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0, dropped: {} };
    return this.#h.stats();
  }

  ref() { if (!this.#none()) this.#h.ref(); }
  unref() { if (!this.#none()) this.#h.unref(); }
  hasRef() { return this.#none() ? false : this.#h.hasRef(); }
  getAsyncId() { return this.#id; }
  getProviderType() { return 0; }

  close(callback) {
    if (this.#closed) return;
    const h = this.#h;
    const done = ticks.entry(ticks.inContext(() => { if (typeof callback === 'function') callback.call(this); }));
    if (h.none === true) setImmediate(done);
    else h.close(done);
    this.#closed = true;
  }
}

module.exports = { SendWrap, UDP, constants, kTrySend };
