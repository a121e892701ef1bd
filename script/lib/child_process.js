'use strict';
// Scripts start no processes.

const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']) {
  module.exports[name] = () => { throw new ERR_FEATURE_UNAVAILABLE(`child_process.${name}`); };
}
require('internal/unavailable').fill('child_process', module.exports, [], ['ChildProcess']);
