'use strict';
// Descriptors of the kind TCP, for dgram to refuse: there is no TCP here.

const binding = internalBinding('tcp_wrap');

const constants = { SOCKET: 0, SERVER: 1, UV_TCP_IPV6ONLY: 1, UV_TCP_REUSEPORT: 2 };

class TCP {
  #fd = -1;
  constructor(type) { this.type = type; }
  get fd() { return this.#fd; }
  listen() {
    if (this.#fd < 0) this.#fd = binding.open();
    return 0;
  }
  bind() { return binding.notSupported; }
  connect() { return binding.notSupported; }
  close(callback) {
    if (this.#fd >= 0) binding.close(this.#fd);
    this.#fd = -1;
    if (typeof callback === 'function') setImmediate(callback);
  }
}

module.exports = { TCP, constants };
