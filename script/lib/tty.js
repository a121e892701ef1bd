'use strict';
// tty.isatty of the standard streams.

const { isTTY } = internalBinding('process');

module.exports = { isatty: (fd) => Number.isInteger(fd) && fd >= 0 && fd <= 2 && isTTY(fd) };
require('internal/unavailable').fill('tty', module.exports, [], ['ReadStream', 'WriteStream']);
