'use strict';
// There is no HTTPS; its names are there.

const { Agent } = require('http');
const { unavailable } = require('internal/unavailable');

module.exports = unavailable('https', ['createServer', 'request', 'get'], ['Server'], { Agent, globalAgent: new Agent() });
