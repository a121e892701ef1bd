'use strict';
// There is no TLS; its names are there.

module.exports = require('internal/unavailable').unavailable('tls', ['connect', 'createServer', 'createSecureContext', 'checkServerIdentity'], ['Server', 'TLSSocket', 'SecureContext'],
  { rootCertificates: [], DEFAULT_MIN_VERSION: 'TLSv1.2', DEFAULT_MAX_VERSION: 'TLSv1.3', DEFAULT_ECDH_CURVE: 'auto', getCiphers: () => [] });
