'use strict';
// There is no REPL.

module.exports = require('internal/unavailable').unavailable('repl', ['start'], ['REPLServer', 'Recoverable'], {});
