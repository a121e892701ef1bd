'use strict';
// internalBinding for those tests that look below dgram.

const shapes = { udp_wrap: 'internal/udp_wrap', tcp_wrap: 'internal/tcp_wrap' };

module.exports = {
  internalBinding(name) {
    if (shapes[name] !== undefined) return require(shapes[name]);
    return internalBinding(name);
  },
};
