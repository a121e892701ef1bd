'use strict';
// A script is its cluster's primary, and has no workers.

const EventEmitter = require('events');
const { codes: { ERR_FEATURE_UNAVAILABLE } } = require('internal/errors');

const cluster = new EventEmitter();
Object.assign(cluster, {
  isPrimary: true, isMaster: true, isWorker: false, workers: {}, settings: {}, SCHED_NONE: 1, SCHED_RR: 2, schedulingPolicy: 2,
  setupPrimary() {}, setupMaster() {},
  fork() { throw new ERR_FEATURE_UNAVAILABLE('cluster.fork'); },
  disconnect(callback) { if (typeof callback === 'function') process.nextTick(callback); },
});
module.exports = cluster;
require('internal/unavailable').fill('cluster', cluster, [], ['Worker']);
