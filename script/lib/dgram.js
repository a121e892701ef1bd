'use strict';
// Node's dgram: sockets with events over the handle of internal/udp_wrap.

const EventEmitter = require('events');
const {
  ErrnoException, ExceptionWithHostPort,
  codes: {
    ERR_INVALID_ARG_TYPE, ERR_INVALID_FD_TYPE, ERR_IP_BLOCKED,
    ERR_SOCKET_ALREADY_BOUND, ERR_SOCKET_BAD_BUFFER_SIZE, ERR_SOCKET_BUFFER_SIZE, ERR_SOCKET_DGRAM_IS_CONNECTED,
    ERR_SOCKET_DGRAM_NOT_CONNECTED, ERR_SOCKET_DGRAM_NOT_RUNNING, ERR_INVALID_ARG_VALUE,
  },
} = require('internal/errors');
const {
  validateAbortSignal, validateNumber, validatePort, validateString,
} = require('internal/validators');
const { guessHandleType, kPlain, kStateSymbol, newHandle } = require('internal/dgram');
const { bytesOf, listOf, sliceOf } = require('internal/dgrammessage');
const { SendWrap, UDP, kTrySend, constants: { UV_UDP_IPV6ONLY, UV_UDP_REUSEADDR, UV_UDP_REUSEPORT } } = require('internal/udp_wrap');
const { UV_ENOBUFS } = internalBinding('uv');
const { Buffer } = require('buffer');
const { complete } = require('internal/dgramcallbacks');
const { addOptions } = require('internal/dgramoptions');
const { inContext, tick } = require('internal/ticks');
const { deprecate } = require('internal/deprecate');
const channel = require('diagnostics_channel').channel('udp.socket');
// Beyond Node: what a receiveBlockList has dropped.
const dropped = require('diagnostics_channel').channel('castnet.udp.dropped');

// How far a socket is with being bound, and with being connected.
const unbound = 0;
const binding = 1;
const bound = 2;
const disconnected = 0;
const connecting = 1;
const connected = 2;

const receiving = true;
const sending = false;

let net;
function isBlockList(value) {
  net ??= require('net');
  return net.BlockList.isBlockList(value);
}

function isIP(text) {
  net ??= require('net');
  return net.isIP(text);
}

function Socket(type, listener) {
  Reflect.apply(EventEmitter, this, []);
  let lookup;
  let recvBufferSize;
  let sendBufferSize;
  let receiveBlockList;
  let sendBlockList;
  let options;
  if (type !== null && typeof type === 'object') {
    options = type;
    type = options.type;
    ({ lookup, recvBufferSize, sendBufferSize } = options);
    if (options.reuseAddr !== undefined) options.reuseAddr = Boolean(options.reuseAddr);
    for (const [name, value] of [['recvBufferSize', recvBufferSize], ['sendBufferSize', sendBufferSize]]) {
      if (value !== undefined) validateNumber(value, `options.${name}`);
    }
    for (const name of ['receiveBlockList', 'sendBlockList']) {
      if (options[name] && !isBlockList(options[name])) {
        throw new ERR_INVALID_ARG_TYPE(`options.${name}`, 'net.BlockList', options[name]);
      }
    }
    ({ receiveBlockList, sendBlockList } = options);
  }
  const handle = newHandle(type, lookup);
  handle.owner = this;
  this.type = type;
  if (typeof listener === 'function') this.on('message', listener);
  this[kStateSymbol] = {
    handle,
    counted: handle, // the same, also after close
    receiving: false,
    bindState: unbound,
    connectState: disconnected,
    queue: undefined,
    lookups: 0,
    literal: undefined, // the address that was sent to last, if it was one and not a name
    later: undefined, // callbacks that wait for the end of the loop's turn
    turn: -1, // of the loop, in which
    called: 0, // callbacks were called
    reuseAddr: Boolean(options?.reuseAddr),
    reusePort: Boolean(options?.reusePort),
    ipv6Only: Boolean(options?.ipv6Only),
    recvBufferSize,
    sendBufferSize,
    receiveBlockList,
    sendBlockList,
  };
  if (options?.signal !== undefined) closeOnAbort(this, options.signal);
  if (channel.hasSubscribers) channel.publish({ socket: this });
}
Object.setPrototypeOf(Socket.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Socket, EventEmitter);

function closeOnAbort(socket, signal) {
  validateAbortSignal(signal, 'options.signal');
  const aborted = () => {
    if (socket[kStateSymbol].handle !== null) socket.close();
  };
  if (signal.aborted) {
    aborted();
    return;
  }
  signal.addEventListener('abort', aborted, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', aborted));
}

function createSocket(type, listener) {
  return new Socket(type, listener);
}

function mustRun(socket) {
  if (!socket[kStateSymbol].handle) throw new ERR_SOCKET_DGRAM_NOT_RUNNING();
}

// started is the end of binding: the socket receives, has its buffers, and says so.
function started(socket) {
  const state = socket[kStateSymbol];
  state.handle.onmessage = received;
  const err = state.handle.recvStart();
  if (err) throw new ErrnoException(err, 'recvStart');
  state.receiving = true;
  state.bindState = bound;
  if (state.recvBufferSize) bufferSize(socket, state.recvBufferSize, receiving);
  if (state.sendBufferSize) bufferSize(socket, state.sendBufferSize, sending);
  socket.emit('listening');
}

// received is called by the handle. What comes while nobody has the socket any more
// is nobody's.
function received(nread, handle, buf, rinfo) {
  const socket = handle.owner;
  if (nread < 0) {
    socket.emit('error', new ErrnoException(nread, 'recvmsg'));
    return;
  }
  if (socket[kStateSymbol].receiveBlockList?.check(rinfo.address, rinfo.family?.toLowerCase())) {
    handle.refuse?.();
    if (dropped.hasSubscribers) dropped.publish({ socket, reason: 'BlockListed', rinfo: { ...rinfo, size: buf.length } });
    return;
  }
  if (rinfo.size !== nread) rinfo.size = buf.length;
  socket.emit('message', buf, rinfo);
}

function bufferSize(socket, size, which) {
  if (size >>> 0 !== size) throw new ERR_SOCKET_BAD_BUFFER_SIZE();
  const ctx = {};
  const got = socket[kStateSymbol].handle.bufferSize(size, which, ctx);
  if (got === undefined) throw new ERR_SOCKET_BUFFER_SIZE(ctx);
  return got;
}

// The flags of a bind, by the options of the socket.
function flagsOf(state) {
  let flags = 0;
  if (state.reuseAddr) flags |= UV_UDP_REUSEADDR;
  if (state.ipv6Only) flags |= UV_UDP_IPV6ONLY;
  if (state.reusePort) flags |= UV_UDP_REUSEPORT;
  return flags;
}

// failed tells of a bind that came to nothing: the socket may be bound again, and what
// waited for it is given up, once the listeners have seen it.
function failed(socket, err) {
  socket[kStateSymbol].bindState = unbound;
  socket.emit('error', err);
}

Socket.prototype.bind = function bind(port_, address_ /* , callback */) {
  let port = port_;
  mustRun(this);
  const state = this[kStateSymbol];
  if (state.bindState !== unbound) throw new ERR_SOCKET_ALREADY_BOUND();
  state.bindState = binding;

  const callback = arguments.length > 0 ? arguments[arguments.length - 1] : undefined;
  if (typeof callback === 'function') {
    // It is called for this bind, and not for a later one if this fails.
    const forget = () => {
      this.removeListener('error', forget);
      this.removeListener('listening', onListening);
    };
    const onListening = function() {
      forget();
      Reflect.apply(callback, this, []);
    };
    this.on('error', forget);
    this.on('listening', onListening);
  }

  if (port !== null && typeof port === 'object' && typeof port.recvStart === 'function') {
    adopt(this, port);
    return this;
  }

  let address;
  if (port !== null && typeof port === 'object' && Number.isInteger(port.fd) && port.fd > 0) {
    bindToFd(this, port.fd);
    return this;
  }
  if (port !== null && typeof port === 'object') {
    address = port.address || '';
    port = port.port;
  } else {
    address = typeof address_ === 'function' ? '' : address_;
  }
  if (!address) address = this.type === 'udp4' ? '0.0.0.0' : '::';

  state.handle.lookup(address, (err, ip) => {
    if (!state.handle) return; // closed meanwhile
    if (err) {
      failed(this, err);
      return;
    }
    const result = state.handle.bind(ip, port || 0, flagsOf(state));
    if (result) {
      failed(this, new ExceptionWithHostPort(result, 'bind', ip, port));
      return;
    }
    started(this);
  });
  return this;
};

// bindSync binds to a literal address, at once, and returns what it is bound to. The
// event 'listening' comes on the next tick.
Socket.prototype.bindSync = function bindSync(options = {}) {
  mustRun(this);
  const state = this[kStateSymbol];
  if (state.bindState !== unbound) throw new ERR_SOCKET_ALREADY_BOUND();
  if (options === null || typeof options !== 'object') throw new ERR_INVALID_ARG_TYPE('options', 'Object', options);
  const port = options.port === undefined ? 0 : validatePort(options.port, 'options.port');
  const address = options.address ?? (this.type === 'udp4' ? '0.0.0.0' : '::');
  validateString(address, 'options.address');
  if (isIP(address) !== (this.type === 'udp4' ? 4 : 6)) {
    throw new ERR_INVALID_ARG_VALUE('options.address', address, 'must be a numeric IP address of the socket\'s family');
  }
  const result = state.handle.bind(address, port, flagsOf(state));
  if (result) throw new ExceptionWithHostPort(result, 'bind', address, port);
  state.bindState = bound;
  state.handle.onmessage = received;
  const err = state.handle.recvStart();
  if (err) throw new ErrnoException(err, 'recvStart');
  state.receiving = true;
  if (state.recvBufferSize) bufferSize(this, state.recvBufferSize, receiving);
  if (state.sendBufferSize) bufferSize(this, state.sendBufferSize, sending);
  process.nextTick(() => {
    if (state.handle) this.emit('listening');
  });
  return this.address();
};

// adopt takes the place of a socket that somebody else has bound.
function adopt(socket, handle) {
  const state = socket[kStateSymbol];
  const old = state.handle;
  for (const name of ['lookup', 'bind', 'send']) handle[name] = old[name];
  old.close();
  handle.owner = socket;
  state.handle = state.counted = handle;
  started(socket);
}

function bindToFd(socket, fd) {
  const type = guessHandleType(fd);
  if (type !== 'UDP') throw new ERR_INVALID_FD_TYPE(type);
  const err = socket[kStateSymbol].handle.open(fd);
  if (err) throw new ErrnoException(err, 'open');
  started(socket);
}

Socket.prototype.connect = function connect(port, address, callback) {
  port = validatePort(port, 'Port', false);
  if (typeof address === 'function') {
    callback = address;
    address = '';
  } else if (address === undefined) {
    address = '';
  }
  validateString(address, 'address');
  const state = this[kStateSymbol];
  if (state.connectState !== disconnected) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  state.connectState = connecting;
  if (state.bindState === unbound) this.bind({ port: 0, exclusive: true }, null);
  if (state.bindState !== bound) {
    enqueue(this, () => connectNow(this, port, address, callback));
    return;
  }
  connectNow(this, port, address, callback);
};

function connectNow(socket, port, address, callback) {
  const state = socket[kStateSymbol];
  if (callback) socket.once('connect', callback);
  state.handle.lookup(address, (err, ip) => {
    if (!state.handle) return; // closed meanwhile
    if (!err && state.sendBlockList?.check(ip, `ipv${isIP(ip)}`)) err = new ERR_IP_BLOCKED(ip);
    if (!err) {
      const result = state.handle.connect(ip, port);
      if (result) err = new ExceptionWithHostPort(result, 'connect', address, port);
    }
    if (!err) {
      state.connectState = connected;
      process.nextTick(() => socket.emit('connect'));
      return;
    }
    state.connectState = disconnected;
    process.nextTick(() => {
      if (!callback) {
        socket.emit('error', err);
        return;
      }
      socket.removeListener('connect', callback);
      callback(err);
    });
  });
}

// connectSync connects to a literal address, at once; the socket is bound first if it
// is not. The event 'connect' comes on the next tick.
Socket.prototype.connectSync = function connectSync(port, address) {
  mustRun(this);
  port = validatePort(port, 'Port', false);
  const state = this[kStateSymbol];
  if (state.connectState !== disconnected) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  address ??= this.type === 'udp4' ? '127.0.0.1' : '::1';
  validateString(address, 'address');
  if (isIP(address) !== (this.type === 'udp4' ? 4 : 6)) {
    throw new ERR_INVALID_ARG_VALUE('address', address, 'must be a numeric IP address of the socket\'s family');
  }
  if (state.sendBlockList?.check(address, `ipv${isIP(address)}`)) throw new ERR_IP_BLOCKED(address);
  if (state.bindState === unbound) this.bindSync();
  const result = state.handle.connect(address, port);
  if (result) throw new ExceptionWithHostPort(result, 'connect', address, port);
  state.connectState = connected;
  process.nextTick(() => {
    if (state.handle) this.emit('connect');
  });
};

Socket.prototype.disconnect = function disconnect() {
  const state = this[kStateSymbol];
  if (state.connectState !== connected) throw new ERR_SOCKET_DGRAM_NOT_CONNECTED();
  const err = state.handle.disconnect();
  if (err) throw new ErrnoException(err, 'disconnect');
  state.connectState = disconnected;
};

// enqueue keeps what is to be done when the socket is bound. The queue is emptied, in
// order, on 'listening', and given up if binding fails.
function enqueue(socket, action) {
  const state = socket[kStateSymbol];
  if (state.queue === undefined) {
    state.queue = [];
    const done = () => {
      socket.removeListener('listening', bind);
      socket.removeListener(EventEmitter.errorMonitor, lost);
    };
    const bind = () => {
      done();
      const { queue } = state;
      state.queue = undefined;
      for (const waiting of queue) waiting();
    };
    const lost = (err) => {
      done();
      // Who listens for the error finds the queue gone, who monitors it does not.
      const clear = () => { state.queue = undefined; };
      if (socket.listenerCount('error') > 0) socket.prependOnceListener('error', clear);
      else clear();
    };
    socket.on(EventEmitter.errorMonitor, lost);
    socket.on('listening', bind);
  }
  state.queue.push(action);
}

// send takes (buffer[, offset, length][, port][, address][, callback]); neither port
// nor address on a socket that is connected. The buffer may be a list.
Socket.prototype.send = function send(buffer, offset, length, port, address, callback) {
  const state = this[kStateSymbol];
  const isConnected = state.connectState === connected;
  let list;
  if (!isConnected) {
    if (address || (port && typeof port !== 'function')) {
      buffer = sliceOf(buffer, offset, length);
    } else {
      callback = port;
      port = offset;
      address = length;
    }
  } else if (typeof length === 'number') {
    buffer = sliceOf(buffer, offset, length);
    if (typeof port === 'function') {
      callback = port;
      port = null;
    }
  } else {
    callback = offset;
  }
  if (isConnected && (port || address)) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();

  if (Array.isArray(buffer)) {
    list = listOf(buffer);
    if (list === null) {
      throw new ERR_INVALID_ARG_TYPE('buffer list arguments', ['Buffer', 'TypedArray', 'DataView', 'string'], buffer);
    }
  } else {
    const one = bytesOf(buffer);
    if (one === undefined) {
      throw new ERR_INVALID_ARG_TYPE('buffer', ['Buffer', 'TypedArray', 'DataView', 'string'], buffer);
    }
    list = one;
  }

  if (!isConnected) port = validatePort(port, 'Port', false);
  if (typeof callback !== 'function') callback = undefined;
  if (typeof address === 'function') {
    callback = address;
    address = undefined;
  } else if (address != null) {
    validateString(address, 'address');
  }
  mustRun(this);
  if (state.bindState === unbound) this.bind({ port: 0, exclusive: true }, null);
  if (Array.isArray(list) && list.length === 0) list.push(Buffer.alloc(0));

  if (state.bindState !== bound) {
    if (state.queue?.length >= maxWaiting) {
      refuse(address, port, callback);
      return;
    }
    enqueue(this, () => this.send(list, port, address, callback));
    return;
  }
  if (isConnected) {
    sendNow(this, null, undefined, list, undefined, null, callback);
    return;
  }
  if (state.lookups >= maxWaiting) {
    refuse(address, port, callback);
    return;
  }
  state.lookups++;
  const { handle } = state;
  if (address !== undefined && address === state.literal && handle.lookup === handle[kPlain]) {
    tick(sendLiteral, this, list, address, port, callback);
    return;
  }
  if (handle[kPlain] !== undefined && typeof address === 'string' && isIP(address) === (this.type === 'udp6' ? 6 : 4)) {
    state.literal = address;
  }
  handle.lookup(address, (err, ip) => {
    state.lookups--;
    sendNow(this, err, ip, list, address, port, callback);
  });
};

// sendLiteral is what follows the lookup of an address that is one, as the one before was.
function sendLiteral(socket, list, address, port, callback) {
  socket[kStateSymbol].lookups--;
  sendNow(socket, null, address, list, address, port, callback);
}

const { send: send4, send6 } = UDP.prototype;

// maxWaiting is how many datagrams of a socket may wait for it to be bound, or for
// names to be looked up. Node has no such limit.
const maxWaiting = 65536;

function refuse(address, port, callback) {
  if (callback) process.nextTick(callback, new ExceptionWithHostPort(UV_ENOBUFS, 'send', address, port));
}

function sendNow(socket, err, ip, list, address, port, callback) {
  const state = socket[kStateSymbol];
  if (!err && ip && state.sendBlockList?.check(ip, `ipv${isIP(ip)}`)) err = new ERR_IP_BLOCKED(ip);
  if (err) {
    if (callback) complete(state, callback, err);
    else process.nextTick(() => socket.emit('error', err));
    return;
  }
  const { handle } = state;
  if (!handle) return; // closed meanwhile
  const toPeer = port === null || port === undefined;
  // Nobody looks at the request of what goes at once, unless somebody has put another
  // function in the place of the handle's.
  let result = 0;
  if (handle.send === send4) result = handle[kTrySend](list, toPeer ? -1 : port, ip, 4);
  else if (handle.send === send6) result = handle[kTrySend](list, toPeer ? -1 : port, ip, 6);
  if (result === 0) {
    if (!Array.isArray(list)) list = [list];
    const req = new SendWrap();
    req.list = list; // kept until it is sent
    req.address = address;
    req.port = port;
    if (callback) {
      req.callback = callback;
      req.oncomplete = sent;
    }
    result = toPeer ?
      handle.send(req, list, list.length, Boolean(callback)) :
      handle.send(req, list, list.length, port, ip, Boolean(callback));
  }
  if (result >= 1) {
    if (callback) complete(state, callback, null, result - 1);
    return;
  }
  if (result !== 0 && callback) {
    // Without a callback nobody is told, as a datagram may be lost without a word.
    const ex = new ExceptionWithHostPort(result, 'send', address, port);
    complete(state, callback, ex);
  }
}

// sent is a request's oncomplete.
function sent(err, size) {
  if (err) this.callback(new ExceptionWithHostPort(err, 'send', this.address, this.port));
  else this.callback(null, size);
}

// sendto is send with all arguments, in the order of the call that it is named for.
Socket.prototype.sendto = function sendto(buffer, offset, length, port, address, callback) {
  validateNumber(offset, 'offset');
  validateNumber(length, 'length');
  validateNumber(port, 'port');
  validateString(address, 'address');
  this.send(buffer, offset, length, port, address, callback);
};

Socket.prototype.close = function close(callback) {
  const state = this[kStateSymbol];
  if (typeof callback === 'function') this.on('close', callback);
  // What waits for the socket to be bound is done first.
  if (state.queue !== undefined) {
    state.queue.push(() => this.close());
    return this;
  }
  mustRun(this);
  stopReceiving(this);
  state.handle.close();
  state.handle = null;
  process.nextTick(() => {
    if (state.later === undefined) this.emit('close');
    else state.later.push(inContext(() => this.emit('close')));
  });
  return this;
};

Socket.prototype[Symbol.asyncDispose] = function() {
  if (!this[kStateSymbol].handle) return Promise.resolve();
  return new Promise((resolve, reject) => {
    this.close((err) => (err ? reject(err) : resolve()));
  });
};

function stopReceiving(socket) {
  const state = socket[kStateSymbol];
  if (!state.receiving) return;
  state.handle.recvStop();
  state.receiving = false;
}

function nameOf(socket, call) {
  const out = {};
  const err = socket[kStateSymbol].handle[call](out);
  if (err) throw new ErrnoException(err, call);
  return out;
}

Socket.prototype.address = function address() {
  mustRun(this);
  return nameOf(this, 'getsockname');
};

Socket.prototype.remoteAddress = function remoteAddress() {
  mustRun(this);
  if (this[kStateSymbol].connectState !== connected) throw new ERR_SOCKET_DGRAM_NOT_CONNECTED();
  return nameOf(this, 'getpeername');
};

addOptions(Socket, mustRun);
for (const [name, f] of Object.entries({
  ref(handle) { handle?.ref(); },
  unref(handle) { handle?.unref(); },
})) {
  Socket.prototype[name] = function() {
    f(this[kStateSymbol].handle);
    return this;
  };
}

Socket.prototype.setRecvBufferSize = function setRecvBufferSize(size) { bufferSize(this, size, receiving); };
Socket.prototype.setSendBufferSize = function setSendBufferSize(size) { bufferSize(this, size, sending); };
Socket.prototype.getRecvBufferSize = function getRecvBufferSize() { return bufferSize(this, 0, receiving); };
Socket.prototype.getSendBufferSize = function getSendBufferSize() { return bufferSize(this, 0, sending); };
Socket.prototype.getSendQueueSize = function getSendQueueSize() { return this[kStateSymbol].handle.getSendQueueSize(); };
Socket.prototype.getSendQueueCount = function getSendQueueCount() { return this[kStateSymbol].handle.getSendQueueCount(); };

// Beyond Node: how many datagrams were received, sent and dropped, these by reason.
Object.defineProperty(Socket.prototype, Symbol.for('castnet.stats'), {
  value: function stats() { return this[kStateSymbol].counted.stats?.(); }, writable: true, configurable: true, enumerable: false,
});

// The old names for what is inside.
for (const [name, get, put] of [
  ['_handle', (s) => s.handle, (s, v) => { s.handle = v; }],
  ['_receiving', (s) => s.receiving, (s, v) => { s.receiving = v; }],
  ['_bindState', (s) => s.bindState, (s, v) => { s.bindState = v; }],
  ['_queue', (s) => s.queue, (s, v) => { s.queue = v; }],
  ['_reuseAddr', (s) => s.reuseAddr, (s, v) => { s.reuseAddr = v; }],
]) {
  const words = `Socket.prototype.${name} is deprecated`;
  Object.defineProperty(Socket.prototype, name, {
    get: deprecate(function() { return get(this[kStateSymbol]); }, words, 'DEP0112'),
    set: deprecate(function(value) { put(this[kStateSymbol], value); }, words, 'DEP0112'),
  });
}
Socket.prototype._healthCheck = deprecate(function() { mustRun(this); }, 'Socket.prototype._healthCheck() is deprecated', 'DEP0112');
Socket.prototype._stopReceiving = deprecate(function() { stopReceiving(this); }, 'Socket.prototype._stopReceiving() is deprecated', 'DEP0112');

module.exports = {
  Socket, createSocket,
  _createSocketHandle: deprecate(require('internal/dgram')._createSocketHandle,
    'dgram._createSocketHandle() is deprecated', 'DEP0112'),
};
