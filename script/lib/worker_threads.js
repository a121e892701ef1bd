'use strict';
// A script is the main thread, and the only one.

const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

module.exports = {
  isMainThread: true, isInternalThread: false, parentPort: null, resourceLimits: {}, threadId: 0, workerData: null, SHARE_ENV: Symbol('SHARE_ENV'),
  Worker: class Worker { constructor() { throw new ERR_FEATURE_UNAVAILABLE('worker_threads.Worker'); } },
};
require('internal/unavailable').fill('worker_threads', module.exports, ['receiveMessageOnPort', 'markAsUntransferable', 'moveMessagePortToContext', 'postMessageToThread',
  'setEnvironmentData', 'getEnvironmentData'], ['BroadcastChannel', 'MessageChannel', 'MessagePort']);
