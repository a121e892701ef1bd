'use strict';
// There is no HTTP/2; its names are there.

module.exports = require('internal/unavailable').unavailable('http2', ['connect', 'createServer', 'createSecureServer', 'getDefaultSettings', 'getPackedSettings'],
  ['Http2ServerRequest', 'Http2ServerResponse'], { constants: {} });
