'use strict';
// The constants of os and fs together, as they once were.

const { constants } = require('os');
module.exports = { ...constants.errno, ...constants.signals, ...require('fs').constants };
