'use strict';
// Stream: what all streams inherit, and the pipe of those that are nothing more.

const EventEmitter = require('events');

function Stream(options) {
  EventEmitter.call(this, options);
}
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

Stream.prototype.pipe = function pipe(dest, options) {
  const source = this;
  let over = false;
  const data = (chunk) => {
    if (dest.writable && dest.write(chunk) === false && source.pause) source.pause();
  };
  const drain = () => {
    if (source.readable && source.resume) source.resume();
  };
  const end = () => {
    if (over) return;
    over = true;
    dest.end();
  };
  const close = () => {
    if (over) return;
    over = true;
    if (typeof dest.destroy === 'function') dest.destroy();
  };
  function failed(err) {
    cleanup();
    if (EventEmitter.prototype.listenerCount.call(this, 'error') === 0) this.emit('error', err);
  }
  source.on('data', data);
  dest.on('drain', drain);
  if (!dest._isStdio && options?.end !== false) {
    source.on('end', end);
    source.on('close', close);
  }
  prepend(source, 'error', failed);
  prepend(dest, 'error', failed);
  function cleanup() {
    source.removeListener('data', data);
    dest.removeListener('drain', drain);
    source.removeListener('end', end);
    source.removeListener('close', close);
    source.removeListener('error', failed);
    dest.removeListener('error', failed);
    source.removeListener('end', cleanup);
    source.removeListener('close', cleanup);
    dest.removeListener('close', cleanup);
  }
  source.on('end', cleanup);
  source.on('close', cleanup);
  dest.on('close', cleanup);
  dest.emit('pipe', source);
  return dest;
};

Stream.prototype.eventNames = function eventNames() {
  return EventEmitter.prototype.eventNames.call(this).filter((name) => !`${String(name)}`.startsWith('castnet:'));
};

function prepend(emitter, event, listener) {
  if (typeof emitter.prependListener === 'function') emitter.prependListener(event, listener);
  else emitter.on(event, listener);
}

module.exports = { Stream, prepend };
